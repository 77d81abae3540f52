/** The memories that `agemem evaluate --systems` names, those of other projects with their servers. */
import type { EmbeddingsInterface } from "@langchain/core/embeddings";
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import type { AgeMemMemoryOptions } from "../../evaluation/systems/agemem-memory.js";
import { openSystem, SYSTEM_NAMES, type SystemName } from "../../evaluation/systems/by-name.js";
import type { MemorySystem } from "../../evaluation/systems/memory-system.js";
import { PeerPool } from "../../evaluation/systems/peer-pool.js";
import { PEERS } from "../../evaluation/systems/peers.js";
import { modelBackend } from "../../evaluation/systems/proxy-backends.js";
import type { TokenCounter } from "../../types.js";

/** Built in ones, then those that `npm run baselines` installs. */
export const MEMORY_NAMES: readonly string[] = [...SYSTEM_NAMES, ...Object.keys(PEERS)];

/** Opens memories by name. */
export interface Memories {
  open(name: string): Promise<MemorySystem>;
  /** Stops the servers. */
  close(): Promise<void>;
}

/** Errors: `AGEMEM_PACKAGE_MISSING` for another project's memory that is not installed. */
export async function openMemories(
  names: readonly string[],
  parts: {
    model: BaseChatModel;
    index: { embeddings: EmbeddingsInterface; embeddingName: string };
    counter: TokenCounter;
    baseModel: BaseChatModel | undefined;
    agent: AgeMemMemoryOptions["agent"];
  },
): Promise<Memories> {
  const { model, baseModel, index, counter, agent } = parts;
  const peers = names.filter((name) => Object.hasOwn(PEERS, name));
  const own = { model, baseModel, index, ...(agent ? { agent } : {}) };
  const openOwn = async (name: string) => openSystem(name as SystemName, own);
  if (peers.length === 0) return { open: openOwn, close: async () => undefined };
  const { embeddings } = index;
  const pool = await PeerPool.open({
    names: peers,
    backend: modelBackend({ model, embeddings, counter }),
    dims: (await embeddings.embedQuery("dimension")).length,
  });
  return {
    open: (name) => (peers.includes(name) ? pool.take(name) : openOwn(name)),
    close: () => pool.close(),
  };
}
