/** What the processes of the soak share: the store they open, and the messages between them. */
import { Embeddings } from "@langchain/core/embeddings";
import { createRandom } from "../../src/lib/random.js";
import { FaissStore } from "../../src/store/faiss-store.js";

/** Keys that are always written together, in one batch. */
export const TRIO = ["a", "b", "c"];

/** What a process reports in the end. */
export interface SoakReport {
  operations: number;
  /** Acknowledged writes of others looked for by their vector. */
  checked: number;
  errors: string[];
  /** Items the handle sees at the end, and how many of them no vector ranks. */
  items: number;
  unscored: number;
  /** Items written once and never changed. */
  acknowledged: string[];
}

export type SoakMessage =
  | { kind: "ready" | "stop" | "stopped" | "count" }
  | { kind: "written"; namespace: string[]; key: string; text: string }
  | { kind: "report"; report: SoakReport };

/** A direction of its own for every text, so that a text finds its own item first. */
class TextEmbeddings extends Embeddings {
  constructor() {
    super({});
  }
  async embedQuery(text: string): Promise<number[]> {
    const random = createRandom(text);
    return Array.from({ length: 16 }, () => random.next() - 0.5);
  }
  async embedDocuments(texts: string[]): Promise<number[][]> {
    return Promise.all(texts.map((text) => this.embedQuery(text)));
  }
}

export const openSoakStore = (path: string): Promise<FaissStore> =>
  FaissStore.open(path, {
    checkpointEvery: 2000,
    index: { embeddings: new TextEmbeddings(), fields: ["text"] },
  });
