/**
 * Rolling out many tasks: K rollouts each, a bounded number at once, resumable, one group written when it is whole.
 *
 * Owns scheduling and progress. Leaves out what a rollout does (`rollout.ts`) and the files (`journal.ts`).
 */
import pLimit from "p-limit";
import type { MemoryTask } from "../types.js";
import { finishGroup, type GroupResult, groupIdentities } from "./group.js";
import { RunJournal } from "./journal.js";
import { type RolloutOptions, type RolloutSettings, rolloutSettings } from "./options.js";
import { type RolloutResult, runRollout } from "./rollout.js";

/** Where a run stands. */
export interface RolloutProgress {
  /** Rollouts finished, those of an earlier process included. */
  done: number;
  total: number;
  /** Mean reward of the scored rollouts so far; null before the first. */
  meanReward: number | null;
  failed: number;
}

/** Where to write and whom to tell. */
export interface RunHooks {
  /** Recording to append to. A run with the same settings goes on where the file ends. Default: none. */
  out?: string;
  onProgress?: (progress: RolloutProgress) => void;
  onGroup?: (group: GroupResult) => void | Promise<void>;
}

/**
 * Rolls out every task K times (AgeMem, alg. 2-5) and yields groups with rewards and advantages.
 *
 * Each rollout writes to its own fork of `options.store`. A rollout that fails is recorded with its error and gets
 * no reward; its siblings go on. With `out` set nothing that finished is run again after a crash.
 *
 * @returns the groups in the order of the tasks, without those that were in `out` already
 * @throws ConfigError `AGEMEM_CONFIG_INVALID`; the first failure of disk or store; the abort reason of `signal`
 * @example
 * const groups = await runRollouts(tasks, { policy: () => model, store, judge: new OfflineJudge(), k: 8 });
 */
export async function runRollouts(
  tasks: readonly MemoryTask[],
  options: RolloutOptions,
  hooks: RunHooks = {},
): Promise<GroupResult[]> {
  const settings = rolloutSettings(options);
  const journal = hooks.out === undefined ? undefined : await RunJournal.open(hooks.out);
  const tracker = new ProgressTracker(tasks.length * settings.k, hooks.onProgress);
  // One failing group stops the start of further rollouts; those under way end first.
  const stop = new AbortController();
  const limit = pLimit(settings.concurrency);
  let complete = false;
  try {
    const groups = await settleAll(
      tasks.map((task) => runGroup(task, settings, { journal, tracker, limit, stop, hooks })),
    );
    complete = true;
    return groups.filter((group) => group !== undefined);
  } finally {
    await journal?.close(complete);
  }
}

interface Shared {
  journal: RunJournal | undefined;
  tracker: ProgressTracker;
  limit: ReturnType<typeof pLimit>;
  stop: AbortController;
  hooks: RunHooks;
}

async function runGroup(
  task: MemoryTask,
  settings: RolloutSettings,
  { journal, tracker, limit, stop, hooks }: Shared,
): Promise<GroupResult | undefined> {
  const identities = groupIdentities(task, settings);
  const already = identities[0] && journal?.written.has(identities[0].groupId);
  const rollouts = await settleAll(
    identities.map(async (identity): Promise<RolloutResult> => {
      const earlier = journal?.finished.get(identity.rolloutId);
      const result = earlier ?? (await limit(() => fresh(identity)));
      tracker.finished(result);
      return result;
    }),
  );
  if (already) return undefined;
  const group = finishGroup(rollouts, settings.advantage);
  await journal?.write(group);
  await hooks.onGroup?.(group);
  return group;

  async function fresh(identity: (typeof identities)[number]): Promise<RolloutResult> {
    stop.signal.throwIfAborted();
    settings.signal?.throwIfAborted();
    try {
      const result = await runRollout(task, identity, settings);
      await journal?.keep(result);
      return result;
    } catch (error) {
      stop.abort(error);
      throw error;
    }
  }
}

/** Like `Promise.all`, but waits for all before it throws the first failure: nothing writes behind the caller's back. */
async function settleAll<T>(promises: Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(promises);
  const failure = settled.find((result) => result.status === "rejected");
  if (failure) throw failure.reason;
  return settled.map((result) => (result as PromiseFulfilledResult<T>).value);
}

class ProgressTracker {
  private done = 0;
  private failed = 0;
  private scored = 0;
  private sum = 0;

  constructor(
    private readonly total: number,
    private readonly report: ((progress: RolloutProgress) => void) | undefined,
  ) {}

  finished({ trajectory }: RolloutResult): void {
    this.done += 1;
    if (trajectory.status !== "ok") this.failed += 1;
    if (trajectory.reward !== null) {
      this.scored += 1;
      this.sum += trajectory.reward;
    }
    this.report?.({
      done: this.done,
      total: this.total,
      meanReward: this.scored ? this.sum / this.scored : null,
      failed: this.failed,
    });
  }
}
