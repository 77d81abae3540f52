/**
 * Imports a folder saved by the `FaissStore` of `@langchain/community`, and writes such a folder.
 *
 * The FAISS file is read as bytes and checked, never passed to FAISS, which a damaged file could make abort the
 * process. Only flat indexes store their vectors unchanged; for other kinds the texts are imported and embedded again.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Operation } from "@langchain/langgraph";
import { InputError, messageOf } from "../../errors.js";
import type { FaissStore } from "../faiss-store.js";

const INDEX_FILE = "faiss.index";
const DOCSTORE_FILE = "docstore.json";
/** Bytes before the vectors: kind, dimension, count, two unused numbers, trained flag, metric, length. */
const HEADER = 4 + 4 + 8 + 8 + 8 + 1 + 4 + 8;

interface SavedDocument {
  pageContent: string;
  metadata?: Record<string, unknown>;
}

/** The vectors in a flat FAISS index file; null if the file is damaged or holds another kind. */
function readFlatIndex(bytes: Buffer): { dims: number; vectors: Float32Array[] } | null {
  const kind = bytes.toString("latin1", 0, 4);
  if (!["IxF2", "IxFI", "IxFl"].includes(kind) || bytes.length < HEADER) return null;
  const dims = bytes.readInt32LE(4);
  const count = Number(bytes.readBigInt64LE(8));
  if (dims < 1 || count < 0 || bytes.length !== HEADER + count * dims * 4) return null;
  const floats = new Float32Array(Uint8Array.from(bytes.subarray(HEADER)).buffer);
  return { dims, vectors: Array.from({ length: count }, (_, i) => floats.slice(i * dims, (i + 1) * dims)) };
}

/**
 * Imports a saved folder into a namespace: text as `content`, metadata as `metadata`, the document's id as key. Its
 * vectors, which must come from the store's model, are reused unless their dimension differs from `options.dims`.
 *
 * @returns the number of items imported
 * @throws InputError `AGEMEM_INPUT_FILE`, `AGEMEM_INPUT_FORMAT`
 */
export async function importLangChainFaiss(
  store: FaissStore,
  directory: string,
  namespace: string[],
  options: { dims?: number; onProgress?: (done: number) => void } = {},
): Promise<number> {
  const [documents, mapping] = readDocstore(directory);
  const index = readFlatIndex(readInput(join(directory, INDEX_FILE)));
  const usable = index && (options.dims === undefined || index.dims === options.dims) ? index : null;
  const vectorOf = new Map(Object.entries(mapping).map(([at, id]) => [id, usable?.vectors[Number(at)]]));
  let done = 0;
  for (let from = 0; from < documents.length; from += 500) {
    const puts = documents.slice(from, from + 500).map(([key, { pageContent, metadata = {} }]) => {
      const vector = vectorOf.get(key);
      return {
        namespace,
        key,
        value: { content: pageContent, memory_type: "document", metadata, source: {} },
        ...(vector ? { vectors: [{ path: "content", vector, text: pageContent }] } : {}),
      };
    });
    await store.batch(puts as Operation[]);
    done += puts.length;
    options.onProgress?.(done);
  }
  return done;
}

/**
 * Writes the items of a namespace that have a vector as a folder that `FaissStore.load` of `@langchain/community`
 * opens. Returns their number.
 */
export async function exportLangChainFaiss(
  store: FaissStore,
  directory: string,
  namespace: string[],
): Promise<number> {
  const found = await store.itemsWithVectors(namespace);
  const items = found.filter(({ vector }) => vector !== null);
  const dims = items[0]?.vector?.length ?? 0;
  const documents = items.map(({ key, value }) => [
    key,
    { pageContent: String(value.content ?? JSON.stringify(value)), metadata: value.metadata ?? {} },
  ]);
  const mapping = Object.fromEntries(items.map(({ key }, i) => [i, key]));
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, DOCSTORE_FILE), JSON.stringify([documents, mapping]));
  const header = Buffer.alloc(HEADER);
  header.write("IxF2", 0, "latin1");
  header.writeInt32LE(dims, 4);
  header.writeBigInt64LE(BigInt(items.length), 8);
  header.writeBigInt64LE(1n << 20n, 16);
  header.writeBigInt64LE(1n << 20n, 24);
  header.writeUInt8(1, 32);
  header.writeInt32LE(1, 33);
  header.writeBigInt64LE(BigInt(items.length * dims), 37);
  const rows = items.map(({ vector }) => Buffer.from(Float32Array.from(vector ?? []).buffer));
  writeFileSync(join(directory, INDEX_FILE), Buffer.concat([header, ...rows]));
  return items.length;
}

function readDocstore(directory: string): [[string, SavedDocument][], Record<string, string>] {
  const path = join(directory, DOCSTORE_FILE);
  try {
    const parsed = JSON.parse(readInput(path).toString("utf8")) as [
      [string, SavedDocument][],
      Record<string, string>,
    ];
    if (
      !Array.isArray(parsed?.[0]) ||
      !parsed[0].every(([id, one]) => id && typeof one?.pageContent === "string")
    ) {
      throw new Error("it is not a list of documents");
    }
    return parsed;
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    throw new InputError("AGEMEM_INPUT_FORMAT", `${path} is not a saved FaissStore: ${messageOf(cause)}`, {
      cause,
      remedy: "Give the folder that FaissStore.save() of @langchain/community wrote.",
      details: { path },
    });
  }
}

function readInput(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new InputError("AGEMEM_INPUT_FILE", `${path} cannot be read: ${messageOf(cause)}`, {
      cause,
      remedy: "Give the folder that FaissStore.save() of @langchain/community wrote.",
      details: { path },
    });
  }
}
