/**
 * Cleans up the branches that threads leave in long-term memory with `memoryConsistency: "checkpoint"`.
 *
 * Owns which branches are still needed: those that a checkpoint names, because going back to it needs them. A crashed or
 * repeated run leaves branches that no checkpoint names, and a deleted thread leaves all of its own. Leaves out deleting
 * checkpoints, and deleting the rows of discarded branches, which the store's `vacuum` does.
 */
import type { BaseCheckpointSaver } from "@langchain/langgraph";
import type { StoreVersion, VersionedStore } from "../../types.js";
import { isThreadBranch, threadPrefix } from "./memory-branch.js";

/** A store that lists its open branches, as `FaissStore` does. */
export interface BranchingStore extends VersionedStore {
  branches(): Promise<{ name: string; createdAt: Date }[]>;
}

/** What {@link sweepThreadBranches} may discard. */
export interface SweepOptions {
  /** Branches that must stay, such as {@link branchesInCheckpoints}. */
  referenced: Iterable<string> | AsyncIterable<string>;
  /** Keep branches younger than this many milliseconds, whose run may have no checkpoint yet. Default: one day. */
  olderThanMs?: number;
  /** The clock: Unix time in milliseconds. Default `Date.now`. */
  now?: () => number;
}

/**
 * Yields the names of the long-term memory branches that a saver's checkpoints refer to, including pending writes.
 *
 * @param threadId read only this thread's checkpoints; default all threads
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
 * Discards the branches of threads that nothing refers to, and no other branches of the store. Going back to a
 * checkpoint whose branch is gone fails with `AGEMEM_STORE_BRANCH`. Branches forked from a discarded one keep their
 * contents.
 *
 * `referenced` must cover all threads that use the store; it is read before the branches are listed.
 *
 * @returns the names of the discarded branches; `store.vacuum()` then frees their space
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
 * Discards all branches of a thread. Call it when you delete the thread; copies of the thread keep their own branches.
 *
 * @returns the names of the discarded branches, possibly none
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
