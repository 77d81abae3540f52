/** How the memory commands find and open a store, parse namespaces and print. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ConfigError, InputError } from "../../errors.js";
import { DEFAULT_STORE, parseStoreSetting } from "../../lib/store-setting.js";
import { resolveEmbeddings } from "../../models/embeddings.js";
import { FaissStore } from "../../store/faiss-store.js";
import type { FaissStoreOptions } from "../../store/options.js";
import { DATABASE_FILE } from "../../store/rows/database.js";
import { showInvisible } from "../../text/escaping.js";

export interface StoreOptions {
  /** `--store`; default `AGEMEM_STORE`, else the default store of the graphs. */
  store?: string;
  embeddings?: string;
  json?: boolean;
}

/** What a command needs of the store: its embedding model or only its items. */
type Need = "items" | "vectors";

/**
 * Opens the store of a command. Without `--embeddings` it uses the lexical model if the store was made with it, otherwise
 * the environment's model.
 */
export async function openStore(options: StoreOptions, need: Need, create = false): Promise<FaissStore> {
  const path = storeDirectory(options);
  if (!create && !existsSync(join(path, DATABASE_FILE))) {
    throw new InputError("AGEMEM_INPUT_FILE", `There is no store in ${path}`, {
      remedy: "Name its directory with --store, or set AGEMEM_STORE=faiss:DIRECTORY.",
      details: { path },
    });
  }
  return FaissStore.open(path, need === "items" ? {} : await indexOptions(options));
}

/**
 * The directory a command works on. `AGEMEM_STORE` has one format, that of the graphs; `--store` takes a bare
 * directory too.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` if the setting is malformed or names another kind of store
 */
export function storeDirectory({ store }: StoreOptions): string {
  if (store !== undefined && !/^(faiss|postgres(ql)?):|^platform$/.test(store)) return store;
  const [text, name] =
    store === undefined ? [process.env.AGEMEM_STORE ?? DEFAULT_STORE, "AGEMEM_STORE"] : [store, "--store"];
  const setting = parseStoreSetting(text, name);
  if (setting.kind === "faiss") return setting.directory;
  throw new ConfigError(
    "AGEMEM_CONFIG_INVALID",
    `${name} names ${setting.kind === "postgres" ? "PostgreSQL" : "the platform's store"}, but the memory commands work only on a FaissStore`,
    { remedy: "Name its directory with --store, or set AGEMEM_STORE=faiss:DIRECTORY." },
  );
}

/**
 * The embedding model of a command as store options. Lexical embeddings get the dimension of those in the store, unless
 * the command converts it.
 */
export async function indexOptions(options: StoreOptions, converts = false): Promise<FaissStoreOptions> {
  const stored = await storedLexical(storeDirectory(options));
  const spec = options.embeddings ?? (stored === undefined ? undefined : "lexical");
  const keep = spec?.trim() === "lexical" && stored !== undefined && !converts;
  const { embeddings, name, dims } = await resolveEmbeddings(spec, process.env, keep ? { dims: stored } : {});
  return {
    index: { embeddings, embeddingName: name, fields: ["content"], ...(dims ? { dims } : {}) },
  };
}

/** The dimension of a store's lexical embeddings; undefined for a store with another model, or none yet. */
async function storedLexical(path: string): Promise<number | undefined> {
  if (!existsSync(join(path, DATABASE_FILE))) return undefined;
  await using store = await FaissStore.open(path);
  const { embedding, dims } = await store.stats();
  return embedding?.startsWith("lexical-") && dims !== null ? dims : undefined;
}

/** `a/b` or a JSON list. Throws `AGEMEM_INPUT_ARGUMENT`. */
export function parseNamespace(text: string | undefined): string[] {
  if (!text) return [];
  if (!text.startsWith("[")) return text.split("/");
  try {
    const labels: unknown = JSON.parse(text);
    if (Array.isArray(labels) && labels.every((label) => typeof label === "string")) return labels;
  } catch (cause) {
    throw namespaceError(text, cause);
  }
  throw namespaceError(text, undefined);
}

function namespaceError(text: string, cause: unknown): InputError {
  return new InputError("AGEMEM_INPUT_ARGUMENT", `${text} is not a namespace`, {
    cause,
    remedy: 'Write it as a/b or as a JSON list, ["a", "b"].',
  });
}

/** Prints a value as JSON, or as the lines of `text`, in which invisible characters of stored text are made harmless. */
export function print(options: StoreOptions, value: unknown, text: () => string | string[]): void {
  if (options.json) console.log(JSON.stringify(value));
  else for (const line of [text()].flat()) console.log(showInvisible(line));
}

/** Shows a running count on standard error, if that is a terminal. */
export function counter(unit: string): (done: number) => void {
  return (done) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${done} ${unit}   `);
  };
}
