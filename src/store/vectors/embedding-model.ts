/**
 * Which embedding model a store's vectors come from: names of models, and what the store has recorded.
 *
 * Names are those of `resolveEmbeddings`, even for a model that the application constructed itself, so that the CLI can
 * open a store by the name that the application recorded. Leaves out calling the model (`embedder.ts`).
 */
import type { EmbeddingsInterface } from "@langchain/core/embeddings";
import type { Connection } from "../rows/database.js";

/** What a store has recorded about its vectors. */
export interface StoredModel {
  name: string;
  dims: number;
}

/** Provider names by class, because earlier releases recorded a model by its class. */
const PROVIDERS: Readonly<Record<string, string>> = {
  OpenAIEmbeddings: "openai",
  HuggingFaceTransformersEmbeddings: "hf",
};

/**
 * The name of a model: its own if it has one (as lexical embeddings do), else its provider or class, and the model.
 *
 * @example
 * nameOf(new OpenAIEmbeddings({ model: "text-embedding-3-small", dimensions: 256 })); //
 * "openai:text-embedding-3-small@256"
 */
export function nameOf(embeddings: EmbeddingsInterface): string {
  const { name, model, modelName, dimensions } = embeddings as {
    name?: unknown;
    model?: unknown;
    modelName?: unknown;
    dimensions?: unknown;
  };
  if (typeof name === "string" && name !== "") return name;
  const given = [model, modelName].find((one) => typeof one === "string" && one !== "");
  const kind = embeddings.constructor?.name ?? "Object";
  if (given === undefined) return kind;
  const provider = PROVIDERS[kind];
  if (provider === undefined) return `${kind}:${given}`;
  return `${provider}:${given}${provider === "openai" && typeof dimensions === "number" ? `@${dimensions}` : ""}`;
}

/**
 * The name that a store records for a model: the application's, if it gives one. For a lexical model the version is
 * added, because another version makes different vectors under the same name.
 */
export function recordedName(embeddings: EmbeddingsInterface, given?: string): string {
  const own = nameOf(embeddings);
  if (given === undefined || given === own) return own;
  return own.startsWith("lexical-") ? `${given} (${own})` : given;
}

/** Whether recorded vectors come from the model with this name, also if an earlier release recorded its class. */
export function isSameModel(stored: StoredModel, name: string): boolean {
  const canonical = canonicalName(stored);
  if (canonical === name) return true;
  // The class name did not include a chosen dimension, but the vectors show it.
  return canonical !== stored.name && `${canonical}@${stored.dims}` === name;
}

/** The current name for what an earlier release recorded as "LexicalEmbeddings" or "OpenAIEmbeddings:NAME". */
export function canonicalName({ name, dims }: StoredModel): string {
  if (name === "LexicalEmbeddings") return `lexical-${dims}/1`;
  const at = name.indexOf(":");
  const provider = at === -1 ? undefined : PROVIDERS[name.slice(0, at)];
  return provider === undefined ? name : `${provider}${name.slice(at)}`;
}

/** Whether a model compares words rather than meaning, whatever name it was given. */
export function isLexical(name: string, embeddings: EmbeddingsInterface): boolean {
  return name.startsWith("lexical") || nameOf(embeddings).startsWith("lexical-");
}

/** The model that the store has recorded; undefined before its first vector. */
export function storedModel(db: Connection): StoredModel | undefined {
  const name = db.getMeta("embedding_name");
  if (name === undefined) return undefined;
  const dims = Number(db.getMeta("embedding_dims") ?? "0") || dimsOfVectors(db);
  return dims === 0 ? undefined : { name, dims };
}

/** Records model and dimension; null records that there are no vectors. Call inside a write transaction. */
export function recordModel(db: Connection, model: StoredModel | null): void {
  if (model === null) {
    db.run("DELETE FROM meta WHERE key IN ('embedding_name', 'embedding_dims')");
    return;
  }
  db.setMeta("embedding_name", model.name);
  db.setMeta("embedding_dims", String(model.dims));
}

/** The dimension of a stored vector, because an earlier release could end a conversion without recording it. */
function dimsOfVectors(db: Connection): number {
  const bytes = db.row<{ n: number }>("SELECT length(vector) AS n FROM vectors LIMIT 1")?.n ?? 0;
  return bytes / 4;
}
