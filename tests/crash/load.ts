/** The load of the crash test: operation i is the same in the worker that runs it and the test that checks it. */
import { writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Embeddings } from "@langchain/core/embeddings";
import { createRandom } from "../../src/lib/random.js";
import { FaissStore } from "../../src/store/faiss-store.js";

export type State = Map<string, string>;
export type Load =
  | { kind: "put"; keys: string[] }
  | { kind: "delete"; keys: string[] }
  | { kind: "import"; keys: string[] }
  | { kind: "checkpoint" | "vacuum" | "backup"; keys: string[] };

export const NS = ["crash"];
const IMPORT_BATCH = 500;

export class CountEmbeddings extends Embeddings {
  constructor() {
    super({});
  }
  async embedQuery(text: string): Promise<number[]> {
    return Array.from({ length: 8 }, (_, i) => (text.charCodeAt(i) || 0) % 13);
  }
  async embedDocuments(texts: string[]): Promise<number[][]> {
    return Promise.all(texts.map((text) => this.embedQuery(text)));
  }
}

export const openCrashStore = (path: string): Promise<FaissStore> =>
  FaissStore.open(path, {
    checkpointEvery: 50,
    index: { embeddings: new CountEmbeddings(), fields: ["text"] },
  });

export function operation(i: number): Load {
  const random = createRandom(`load/${i}`);
  const roll = random.integer(100);
  const keys = (n: number) => Array.from({ length: n }, () => `k${random.integer(40)}`);
  if (roll < 60) return { kind: "put", keys: [...new Set(keys(1 + random.integer(6)))] };
  if (roll < 78) return { kind: "delete", keys: [...new Set(keys(1 + random.integer(3)))] };
  if (roll < 88) return { kind: "checkpoint", keys: [] };
  if (roll < 93) return { kind: "vacuum", keys: [] };
  if (roll < 96) return { kind: "import", keys: Array.from({ length: 700 }, (_, n) => `import-${n}`) };
  return { kind: "backup", keys: [] };
}

const textOf = (key: string, i: number): string => `${key} at ${i}`;

/** Every state that operation i may leave behind when it is cut off: first none of it, last all of it. */
export function outcomes(state: State, i: number): State[] {
  const { kind, keys } = operation(i);
  const steps = kind === "import" ? [keys.slice(0, IMPORT_BATCH), keys] : [keys];
  return [
    state,
    ...steps.map((done) => {
      const next = new Map(state);
      for (const key of done) {
        if (kind === "delete") next.delete(key);
        else next.set(key, textOf(key, i));
      }
      return next;
    }),
  ];
}

export async function runOperation(store: FaissStore, path: string, i: number): Promise<void> {
  const { kind, keys } = operation(i);
  const items = keys.map((key) => ({ namespace: NS, key, value: { text: textOf(key, i) } }));
  if (kind === "put") await store.batch(items);
  else if (kind === "delete") await store.batch(items.map((item) => ({ ...item, value: null })));
  else if (kind === "checkpoint") await store.checkpoint();
  else if (kind === "vacuum") await store.vacuum({ shrink: i % 2 === 0 });
  else if (kind === "backup") {
    await rm(join(path, "copy"), { recursive: true, force: true });
    await store.backup(join(path, "copy"));
  } else {
    const file = join(path, "import.jsonl");
    writeFileSync(file, items.map((item) => `${JSON.stringify(item)}\n`).join(""));
    await store.import(file);
  }
}

export async function readState(store: FaissStore): Promise<State> {
  const items = await store.search(NS, { limit: 10_000 });
  return new Map(items.map(({ key, value }) => [key, String(value.text)]));
}
