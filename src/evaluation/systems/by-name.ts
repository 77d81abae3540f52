/** Opens systems by the names that `agemem evaluate --systems` accepts. */
import type { EmbeddingsInterface } from "@langchain/core/embeddings";
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { AgeMemMemory, type AgeMemMemoryOptions } from "./agemem-memory.js";
import { FullContext } from "./full-context.js";
import type { MemorySystem } from "./memory-system.js";
import { NoMemory } from "./no-memory.js";
import { PassageStore } from "./passage-store.js";

/** In the order of the tables. */
export const SYSTEM_NAMES = [
  "no-memory",
  "full-context",
  "keyword",
  "rag",
  "rag-hybrid",
  "agemem",
  "agemem-no-ltm",
  "agemem-no-stm",
] as const;
export type SystemName = (typeof SYSTEM_NAMES)[number];

/** What systems may need. */
export interface SystemParts {
  model: BaseChatModel;
  index: { embeddings: EmbeddingsInterface; embeddingName: string };
  agent?: AgeMemMemoryOptions["agent"];
}

/** Opens a fresh system. @example openSystem("keyword", { model, index }) */
export function openSystem(name: SystemName, { model, index, agent }: SystemParts): MemorySystem {
  const own = { model, index, ...(agent ? { agent } : {}) };
  switch (name) {
    case "no-memory":
      return new NoMemory();
    case "full-context":
      return new FullContext();
    case "keyword":
      return new PassageStore({ mode: "keyword" });
    case "rag":
      return new PassageStore({ mode: "vector", index });
    case "rag-hybrid":
      return new PassageStore({ mode: "hybrid", index });
    case "agemem":
      return new AgeMemMemory(own);
    case "agemem-no-ltm":
      return new AgeMemMemory({ ...own, ltm: false });
    case "agemem-no-stm":
      return new AgeMemMemory({ ...own, stm: false });
  }
}
