/**
 * Which M a run works on: the newest, shared by all threads, or the thread's own, as its checkpoint saw it.
 *
 * Owns the rule that both memories travel together: a checkpoint names the version of M it saw, and a run that starts
 * from a checkpoint whose branch has moved on since starts a new branch there. LangGraph re-runs nodes (retry, resume,
 * time travel); each of them then finds M as the checkpoint left it.
 */
import { randomUUID } from "node:crypto";
import type { BaseStore, LangGraphRunnableConfig } from "@langchain/langgraph";
import { ConfigError } from "../errors.js";
import { shortHash } from "../lib/hash.js";
import { isVersionedStore, type StoreVersion } from "../types.js";

/** "latest": one M for all threads, always the newest. "checkpoint": a branch per thread that follows its checkpoints. */
export type MemoryConsistency = "latest" | "checkpoint";

/** Gives the store for one node run, from the version that the state has seen. */
export type MemoryOf = (
  seen: StoreVersion | null,
  config: LangGraphRunnableConfig,
) => BaseStore | Promise<BaseStore>;

/** How the branches of a thread begin. The id itself does not show: branch names are listed and exported. */
export function threadPrefix(threadId: string): string {
  return `thread-${shortHash(threadId, 10)}-`;
}

/** Whether a branch was begun for a thread, and not by a person. */
export function isThreadBranch(name: string): boolean {
  return /^thread-[0-9a-z]{10}-[0-9a-f]{8}$/.test(name);
}

/** @throws ConfigError `AGEMEM_CONFIG_INVALID` when the store has no branches to follow checkpoints with */
export function memoryOf(store: BaseStore, consistency: MemoryConsistency): MemoryOf {
  if (consistency === "latest") return () => store;
  if (!isVersionedStore(store)) {
    throw new ConfigError(
      "AGEMEM_CONFIG_INVALID",
      'memoryConsistency "checkpoint" needs a store with versions',
      {
        remedy: 'Use a FaissStore, or memoryConsistency "latest".',
      },
    );
  }
  return async (seen, config) => {
    const prefix = threadPrefix(String(config.configurable?.thread_id ?? ""));
    const from = seen ?? store.version();
    if (seen?.branch.startsWith(prefix)) {
      const own = await store.branch(seen.branch);
      if (own.version().revision === seen.revision) return own;
    }
    return store.fork(`${prefix}${randomUUID().slice(0, 8)}`, { from });
  };
}
