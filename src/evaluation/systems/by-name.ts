/** Opens systems by the names that `agemem evaluate --systems` accepts. */
import type { EmbeddingsInterface } from "@langchain/core/embeddings";
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { ConfigError } from "../../errors.js";
import { AnsweringAgeMem } from "./agemem-answer.js";
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
  "agemem-agent",
  "agemem-rag",
  "agemem-no-rl",
  "agemem-no-rl-rag",
] as const;
export type SystemName = (typeof SYSTEM_NAMES)[number];

/** What systems may need. */
export interface SystemParts {
  model: BaseChatModel;
  index: { embeddings: EmbeddingsInterface; embeddingName: string };
  agent?: AgeMemMemoryOptions["agent"];
  /** The untrained model, for the systems with "no-rl". */
  baseModel?: BaseChatModel | undefined;
}

/**
 * Opens a fresh system.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for a system without training and no `baseModel`
 * @example
 * openSystem("keyword", { model, index })
 */
export function openSystem(name: SystemName, { model, index, agent, baseModel }: SystemParts): MemorySystem {
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
    case "agemem-agent":
      return new AnsweringAgeMem({ ...own, name, retrieval: "tool" });
    case "agemem-rag":
      return new AnsweringAgeMem({ ...own, name, retrieval: "every step" });
    case "agemem-no-rl":
      return new AnsweringAgeMem({ ...own, model: untrained(name, baseModel), name, retrieval: "tool" });
    case "agemem-no-rl-rag":
      return new AnsweringAgeMem({
        ...own,
        model: untrained(name, baseModel),
        name,
        retrieval: "every step",
      });
  }
}

/** Whether the system acts with a model of its own, and not with the one that is tested. */
export function usesBaseModel(name: SystemName): boolean {
  return name === "agemem-no-rl" || name === "agemem-no-rl-rag";
}

function untrained(name: SystemName, model: BaseChatModel | undefined): BaseChatModel {
  if (model) return model;
  throw new ConfigError("AGEMEM_CONFIG_INVALID", `${name} needs the model before training`, {
    remedy: "Name it with --base-model, or leave the system out.",
  });
}
