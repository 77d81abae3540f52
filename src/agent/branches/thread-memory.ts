/**
 * What threads leave behind in long-term memory with `memoryConsistency: "checkpoint"`: which branches are still
 * needed, and dropping those that are not.
 *
 * A branch stays as long as a checkpoint names it, because going back to that checkpoint needs it. A run that crashed
 * or was repeated leaves branches that no checkpoint names, a deleted thread leaves all of its own. Owns neither
 * checkpoints nor the removal of rows: `vacuum` of the store does that once a branch is discarded.
 */
import type { BaseCheckpointSaver } from "@langchain/langgraph";
import type { StoreVersion, VersionedStore } from "../../types.js";
import { isThreadBranch, threadPrefix } from "./memory-branch.js";

/** A store that lists its open branches, as `FaissStore` does. */
export interface BranchingStore extends VersionedStore {
  branches(): Promise<{ name: string; createdAt: Date }[]>;
}

/** What {@link sweepThreadBranches} may drop. */
export interface SweepOptions {
  /** Branches that must stay, such as {@link branchesInCheckpoints}. */
  referenced: Iterable<string> | AsyncIterable<string>;
  /** Branches younger than this many milliseconds stay: their run may not have a checkpoint yet. Default: one day. */
  olderThanMs?: number;
  /** Unix time in milliseconds. Default `Date.now`. */
  now?: () => number;
}

/**
 * Names of the branches of long-term memory that the checkpoints of a saver refer to, pending writes included.
 *
 * @param threadId only this thread's checkpoints. Default: all threads of the saver
 * @example
 * for await (const name of branchesInCheckpoints(checkpointer)) console.log(name);
 */
export async function* branchesInCheckpoints(
  checkpointer: BaseCheckpointSaver,
  threadId?: string,
): AsyncGenerator<string> {
  const seen = new Set<string>();
  const configurable = threadId === undefined ? {} : { thread_id: threadId };
  for await (const { checkpoint, pendingWrites = [] } of checkpointer.list({ configurable })) {
    const pending = pendingWrites
      .filter(([, channel]) => channel === "ltmVersion")
      .map(([, , value]) => value);
    for (const version of [checkpoint.channel_values.ltmVersion, ...pending]) {
      const { branch } = (version ?? {}) as Partial<StoreVersion>;
      if (branch === undefined || seen.has(branch)) continue;
      seen.add(branch);
      yield branch;
    }
  }
}

/**
 * Discards the branches of threads that nothing refers to. Other branches of the store are left alone. Going back to
 * a checkpoint whose branch is gone fails with `AGEMEM_STORE_BRANCH`; a branch that others were begun from may be
 * discarded, they keep what they see.
 *
 * `referenced` is read before the branches are listed and must cover all threads that use the store.
 *
 * @returns names of the branches discarded; `store.vacuum()` then frees their space
 * @throws StoreError `AGEMEM_STORE_*`
 * @example
 * await sweepThreadBranches(store, { referenced: branchesInCheckpoints(checkpointer) });
 */
export async function sweepThreadBranches(store: BranchingStore, options: SweepOptions): Promise<string[]> {
  const { olderThanMs = 86_400_000, now = Date.now } = options;
  const referenced = new Set<string>();
  for await (const name of options.referenced) referenced.add(name);
  const before = now() - olderThanMs;
  return discardAll(
    store,
    ({ name, createdAt }) => isThreadBranch(name) && !referenced.has(name) && createdAt.getTime() < before,
  );
}

/**
 * Discards all branches of a thread: to be called when the thread is deleted. Copies of the thread keep theirs.
 *
 * @returns names of the branches discarded; none when the thread had none
 * @throws StoreError `AGEMEM_STORE_*`
 * @example
 * await checkpointer.deleteThread(threadId);
 * await discardThreadBranches(store, threadId);
 */
export async function discardThreadBranches(store: BranchingStore, threadId: string): Promise<string[]> {
  const prefix = threadPrefix(threadId);
  return discardAll(store, ({ name }) => name.startsWith(prefix));
}

async function discardAll(
  store: BranchingStore,
  chosen: (branch: { name: string; createdAt: Date }) => boolean,
): Promise<string[]> {
  const names = (await store.branches()).filter(chosen).map(({ name }) => name);
  for (const name of names) await (await store.branch(name)).discard();
  return names;
}
