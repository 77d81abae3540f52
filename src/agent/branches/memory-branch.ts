/**
 * Which long-term memory a run works on: the newest, shared by all threads, or the thread's own, as its checkpoint saw
 * it.
 *
 * Owns the rule that both memories travel together: a checkpoint names the version of long-term memory it saw, and a
 * run that starts from a checkpoint whose branch has moved on since starts a new branch there; one whose branch was
 * promoted goes on from what the promotion left. LangGraph re-runs nodes (retry, resume,
 * time travel); each of them then finds long-term memory as the checkpoint left it.
 */
import { randomUUID } from "node:crypto";
import type { BaseStore, LangGraphRunnableConfig } from "@langchain/langgraph";
import { AgeMemError, ConfigError, InputError } from "../../errors.js";
import { shortHash } from "../../lib/hash.js";
import { isVersionedStore, type StoreVersion, type VersionedStore } from "../../types.js";

/**
 * "latest": one long-term memory for all threads, always the newest. "checkpoint": a branch per thread that follows its
 * checkpoints.
 */
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
    const prefix = threadPrefix(threadOf(config));
    const name = `${prefix}${randomUUID().slice(0, 8)}`;
    if (!seen) return store.fork(name, { from: store.version() });
    const branch = await openOrPromoted(store, seen.branch);
    if ("promotedTo" in branch) {
      // The end of the branch is what was promoted; before it lies a checkpoint that is gone back to.
      return seen.revision < branch.tip
        ? store.fork(name, { from: seen })
        : forkPromoted(store, name, branch.promotedTo);
    }
    if (seen.branch.startsWith(prefix) && branch.version().revision === seen.revision) return branch;
    return store.fork(name, { from: seen });
  };
}

/** A thread without a name would share its branch with all others of that kind. */
function threadOf({ configurable }: LangGraphRunnableConfig): string {
  const thread: unknown = configurable?.thread_id;
  if (typeof thread === "string" || typeof thread === "number") return String(thread);
  throw new InputError("AGEMEM_INPUT_ARGUMENT", 'memoryConsistency "checkpoint" needs a thread', {
    remedy: 'Pass it with the run: graph.invoke(input, { configurable: { thread_id: "…" } }).',
  });
}

/** Where the changes of a closed branch are, and its own last revision. */
interface Promoted {
  promotedTo: StoreVersion;
  tip: number;
}

async function openOrPromoted(store: VersionedStore, name: string): Promise<VersionedStore | Promoted> {
  try {
    return await store.branch(name);
  } catch (error) {
    const { promotedTo, tip } = (AgeMemError.isInstance(error) ? error.details : {}) as Partial<Promoted>;
    if (!promotedTo || tip === undefined) throw error;
    return { promotedTo, tip };
  }
}

/** From the very state the promotion left, or from the newest where a vacuum took that away. */
async function forkPromoted(
  store: VersionedStore,
  name: string,
  from: StoreVersion,
): Promise<VersionedStore> {
  try {
    return await store.fork(name, { from });
  } catch (error) {
    if (!AgeMemError.isInstance(error) || error.code !== "AGEMEM_STORE_BRANCH") throw error;
    return (await store.branch(from.branch)).fork(name);
  }
}

/**
 * Runs a node's work with a long-term memory that is watched: a branch begun for work that fails is dropped, because
 * its update, the only one that would name the branch, is never written. What a killed process leaves is for
 * `sweepThreadBranches`.
 */
export async function droppingUnused<T>(
  memory: MemoryOf,
  work: (watched: MemoryOf) => Promise<T>,
): Promise<T> {
  const begun: VersionedStore[] = [];
  const watched: MemoryOf = async (seen, config) => {
    const store = await memory(seen, config);
    const isOwn = isVersionedStore(store) && isThreadBranch(store.version().branch);
    if (isOwn && store.version().branch !== seen?.branch) begun.push(store);
    return store;
  };
  try {
    return await work(watched);
  } catch (error) {
    // The failure itself is what the caller must see, also where the disk fails at this too.
    await Promise.allSettled(begun.map((store) => store.discard()));
    throw error;
  }
}
