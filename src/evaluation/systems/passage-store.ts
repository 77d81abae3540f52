/**
 * Retrieval over the original messages: by keywords (BM25), vectors (RAG), or both.
 *
 * This is what most agents have. One item per message, and none ever changes, so a fact and its correction exist side
 * by side. It has its own `FaissStore` in memory, so its recall is that of `FaissStore`'s ranking.
 */
import type { EmbeddingsInterface } from "@langchain/core/embeddings";
import { FaissStore } from "../../store/faiss-store.js";
import type { SearchMode } from "../../types.js";
import {
  lineOf,
  type MemorySystem,
  NO_USAGE,
  type ObservedMessage,
  type RecallResult,
} from "./memory-system.js";

/** Options of {@link PassageStore}. */
export interface PassageStoreOptions {
  mode: SearchMode;
  /** Embeddings and their name, for "vector" and "hybrid". */
  index?: { embeddings: EmbeddingsInterface; embeddingName: string };
  /** Default: "keyword", "rag" or "rag-hybrid", depending on the mode. */
  name?: string;
}

const NAMES: Readonly<Record<SearchMode, string>> = {
  keyword: "keyword",
  vector: "rag",
  hybrid: "rag-hybrid",
};
const MESSAGES = "messages";

/** Recalls the messages most similar to the question. */
export class PassageStore implements MemorySystem {
  readonly name: string;
  #store: FaissStore | undefined;
  #user = "";
  #count = 0;

  constructor(private readonly options: PassageStoreOptions) {
    this.name = options.name ?? NAMES[options.mode];
    if (options.mode !== "keyword" && !options.index) {
      throw new TypeError(
        `PassageStore: mode "${options.mode}" needs an index. Give embeddings, or mode "keyword".`,
      );
    }
  }

  async reset({ user }: { user: string }): Promise<void> {
    await this.close();
    const { index } = this.options;
    this.#store = await FaissStore.open(":memory:", index ? { index: { ...index, fields: ["text"] } } : {});
    this.#user = user;
    this.#count = 0;
  }

  async observe(messages: readonly ObservedMessage[]): Promise<typeof NO_USAGE> {
    const puts = messages.map((message) => ({
      namespace: [MESSAGES, this.#user],
      key: String(this.#count++).padStart(9, "0"),
      value: { text: lineOf(message), ...(message.id === undefined ? {} : { id: message.id }) },
    }));
    await this.#opened().batch(puts);
    return NO_USAGE;
  }

  async recall(query: string, { k }: { k: number }): Promise<RecallResult> {
    const { mode } = this.options;
    const found = await this.#opened().search([MESSAGES, this.#user], { query, limit: k, mode });
    const memories = found.map(({ value, score }) => ({ ...toMemory(value), score: score ?? null }));
    return { memories, usage: NO_USAGE };
  }

  async all(): Promise<RecallResult["memories"]> {
    const limit = Math.max(1, this.#count);
    const items = await this.#opened().search([MESSAGES, this.#user], { limit });
    return items.map(({ value }) => ({ ...toMemory(value), score: null }));
  }

  async close(): Promise<void> {
    await this.#store?.close();
    this.#store = undefined;
  }

  #opened(): FaissStore {
    if (!this.#store) throw new TypeError(`${this.name}: call reset() first.`);
    return this.#store;
  }
}

function toMemory({ text, id }: Record<string, unknown>): { text: string; sources: string[] } {
  return { text: String(text), sources: typeof id === "string" ? [id] : [] };
}
