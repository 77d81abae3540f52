/**
 * Which embedding model a store's vectors come from: the name of a model, and what the store has recorded.
 *
 * Names are those of `resolveEmbeddings`, also for a model that the application constructed itself, so that the CLI opens
 * a store by the name under which the application wrote it. Leaves out calling the model (`embedder.ts`).
 */
import type { EmbeddingsInterface } from "@langchain/core/embeddings";
import type { Connection } from "../rows/database.js";

/** What a store has recorded about its vectors. */
export interface StoredModel {
  name: string;
  dims: number;
}

/** Providers by class: earlier releases recorded a model by its class, `resolveEmbeddings` never did. */
const PROVIDERS: Readonly<Record<string, string>> = {
  OpenAIEmbeddings: "openai",
  HuggingFaceTransformersEmbeddings: "hf",
};

/**
 * The name of a model: its own if it has one (as lexical embeddings do), else its provider or class and the model's name.
 *
 * @example
 * nameOf(new OpenAIEmbeddings({ model: "text-embedding-3-small", dimensions: 256 })); // "openai:text-embedding-3-small@256"
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
 * The name that a store records of a model: the application's where it gives one. That of a lexical model says its version
 * too, because another version makes other vectors under the same name.
 */
export function recordedName(embeddings: EmbeddingsInterface, given?: string): string {
  const own = nameOf(embeddings);
  if (given === undefined || given === own) return own;
  return own.startsWith("lexical-") ? `${given} (${own})` : given;
}

/** Whether recorded vectors come from the model of this name; earlier releases recorded some models by their class. */
export function isSameModel(stored: StoredModel, name: string): boolean {
  const canonical = canonicalName(stored);
  if (canonical === name) return true;
  // The class alone did not tell a chosen dimension; the vectors do.
  return canonical !== stored.name && `${canonical}@${stored.dims}` === name;
}

/** Today's name of what an earlier release recorded as "LexicalEmbeddings" or "OpenAIEmbeddings:NAME". */
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

/** What the store has recorded; undefined before its first vector. */
export function storedModel(db: Connection): StoredModel | undefined {
  const name = db.getMeta("embedding_name");
  if (name === undefined) return undefined;
  const dims = Number(db.getMeta("embedding_dims") ?? "0") || dimsOfVectors(db);
  return dims === 0 ? undefined : { name, dims };
}

/** Records model and dimension, or with null that there are no vectors. Call in a write transaction. */
export function recordModel(db: Connection, model: StoredModel | null): void {
  if (model === null) {
    db.run("DELETE FROM meta WHERE key IN ('embedding_name', 'embedding_dims')");
    return;
  }
  db.setMeta("embedding_name", model.name);
  db.setMeta("embedding_dims", String(model.dims));
}

/** An earlier release could end a conversion without recording the dimension; every vector has it. */
function dimsOfVectors(db: Connection): number {
  const bytes = db.row<{ n: number }>("SELECT length(vector) AS n FROM vectors LIMIT 1")?.n ?? 0;
  return bytes / 4;
}
