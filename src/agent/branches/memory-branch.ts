/**
 * Which long-term memory a run uses: the newest, shared by all threads, or the thread's own, as its checkpoint saw it.
 *
 * Owns the rule that both memories go back in time together. A checkpoint names the version of long-term memory it saw.
 * If the branch has moved on since, a run from that checkpoint forks a new branch at that version; if the branch was
 * promoted, the run continues from the result of the promotion. So a node that LangGraph runs again (retry, resume, time
 * travel) finds long-term memory as its checkpoint left it.
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

/** Returns the store for one run of a node, given the version the state has seen. */
export type MemoryOf = (
  seen: StoreVersion | null,
  config: LangGraphRunnableConfig,
) => BaseStore | Promise<BaseStore>;

/** Prefix of a thread's branch names. The thread id is hashed, because branch names are listed and exported. */
export function threadPrefix(threadId: string): string {
  return `thread-${shortHash(threadId, 10)}-`;
}

/** Whether a branch was created for a thread, rather than by the application. */
export function isThreadBranch(name: string): boolean {
  return /^thread-[0-9a-z]{10}-[0-9a-f]{8}$/.test(name);
}

/**
 * Chooses the store of each node run.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` if checkpoints are to be followed and the store has no branches
 */
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
      // A version before the branch's end means that the run goes back to an earlier checkpoint.
      return seen.revision < branch.tip
        ? store.fork(name, { from: seen })
        : forkPromoted(store, name, branch.promotedTo);
    }
    if (seen.branch.startsWith(prefix) && branch.version().revision === seen.revision) return branch;
    return store.fork(name, { from: seen });
  };
}

/** All runs without a thread id would share their branches. */
function threadOf({ configurable }: LangGraphRunnableConfig): string {
  const thread: unknown = configurable?.thread_id;
  if (typeof thread === "string" || typeof thread === "number") return String(thread);
  throw new InputError("AGEMEM_INPUT_ARGUMENT", 'memoryConsistency "checkpoint" needs a thread_id', {
    remedy: 'Pass it with the run: graph.invoke(input, { configurable: { thread_id: "…" } }).',
  });
}

/** The version that a promoted branch was merged into, and its own last revision. */
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

/** Forks from the result of the promotion, or from the newest version if a vacuum has removed that. */
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
 * Runs a node's work, and if it fails discards the branch it has forked: the state update that would have named the
 * branch is never written. Branches of a killed process are left to `sweepThreadBranches`.
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
    // The caller must see the original failure, even if discarding fails too.
    await Promise.allSettled(begun.map((store) => store.discard()));
    throw error;
  }
}
