/** A tiny deterministic embedding for store tests: letters of the text counted into a few buckets. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Embeddings } from "@langchain/core/embeddings";
import { afterEach, vi } from "vitest";
import { AgeMemError } from "../../src/errors.js";
import { FaissStore } from "../../src/store/faiss-store.js";
import type { FaissStoreOptions } from "../../src/store/options.js";
import { Connection } from "../../src/store/rows/database.js";

export class LetterEmbeddings extends Embeddings {
  calls = 0;
  texts = 0;
  fail = false;

  constructor(readonly dims = 26) {
    super({});
  }

  async embedQuery(text: string): Promise<number[]> {
    if (this.fail) throw new Error("the model is down");
    const vector = new Array<number>(this.dims).fill(0);
    for (const letter of text.toLowerCase()) {
      const at = letter.charCodeAt(0) - 97;
      if (at >= 0 && at < 26) vector[at % this.dims]! += 1;
    }
    return vector;
  }

  async embedDocuments(texts: string[]): Promise<number[][]> {
    this.calls++;
    this.texts += texts.length;
    return Promise.all(texts.map((text) => this.embedQuery(text)));
  }
}

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "agemem-store-"));
  cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A store that embeds the field `text` with {@link LetterEmbeddings}; closed after the test. */
export async function openStore(path = ":memory:", options: FaissStoreOptions = {}): Promise<FaissStore> {
  const store = await FaissStore.open(path, {
    index: { embeddings: new LetterEmbeddings(), fields: ["text"], retries: 0 },
    ...options,
  });
  cleanups.push(() => store.close());
  return store;
}

/** Stops the clock at a time (milliseconds since the epoch) for the rest of the test; it moves when it is told to. */
export function stopClock(at: number): { advance(ms: number): void } {
  vi.useFakeTimers({ toFake: ["Date"], now: at });
  cleanups.push(() => {
    vi.useRealTimers();
  });
  return { advance: (ms) => vi.setSystemTime(Date.now() + ms) };
}

/** The code an operation fails with, or "no error". */
export async function codeOf(action: () => unknown): Promise<string> {
  try {
    await action();
    return "no error";
  } catch (error) {
    return AgeMemError.isInstance(error) ? error.code : `not an AgeMemError: ${error}`;
  }
}

export const keysOf = (items: readonly { key: string }[]): string[] => items.map(({ key }) => key);

/** Notes for each commit of a write, until mocks are restored, whether SQLite syncs it. */
export function watchCommits(): ("synced" | "later")[] {
  const seen: ("synced" | "later")[] = [];
  const wrote = new Set<Connection>();
  const { run } = Connection.prototype;
  vi.spyOn(Connection.prototype, "run").mockImplementation(function (this: Connection, sql, ...params) {
    // Reads end with COMMIT too, and change nothing.
    const writes = sql === "COMMIT" && wrote.has(this);
    if (sql.startsWith("BEGIN")) wrote.delete(this);
    if (sql.startsWith("BEGIN IMMEDIATE")) wrote.add(this);
    if (writes) seen.push(this.db.pragma("synchronous", { simple: true }) === 2 ? "synced" : "later");
    return run.call(this, sql, ...params);
  });
  return seen;
}
