/**
 * Rolls out many tasks, K rollouts each: bounded concurrency, resumable, every group written as soon as it is complete.
 *
 * Owns scheduling and back-pressure. Leaves out what a rollout does (`rollout.ts`), files (`journal.ts`) and counting
 * (`progress.ts`).
 */
import { setMaxListeners } from "node:events";
import { AsyncLocalStorageProviderSingleton } from "@langchain/core/singletons";
import pLimit, { type LimitFunction } from "p-limit";
import { ConfigError } from "../errors.js";
import type { MemoryTask } from "../types.js";
import { runPrefix } from "./branching/prefix.js";
import { withSignal } from "./deadline.js";
import { StageAgents } from "./driver/stage-agents.js";
import {
  finishGroup,
  type GroupResult,
  type GroupSummary,
  groupIdentities,
  groupIdOf,
  summarizeGroup,
} from "./group.js";
import { checkRunHooks, type RunHooks } from "./hooks.js";
import { RunJournal } from "./journal.js";
import type { RolloutIdentity, RolloutOptions } from "./options.js";
import { ProgressTracker, type RolloutProgress } from "./progress.js";
import { runIdentity } from "./recording/identity.js";
import { type RolloutResult, runRollout } from "./rollout.js";
import { type RolloutSettings, rolloutSettings } from "./settings.js";
import { Sweeper } from "./sweep.js";

/** Result of a run. */
export interface RunSummary extends RolloutProgress {
  /** In the order of the tasks, without groups that were in `out` already. */
  groups: GroupSummary[];
}

/**
 * Rolls out every task K times (AgeMem, alg. 2-5) and hands over each group, with rewards and advantages, as soon as it
 * is complete. Only the groups under way are held in memory, however many tasks there are.
 *
 * Each rollout writes to its own fork of `options.store`. A rollout that fails is recorded with its error and gets
 * no reward; its siblings go on. With `out`, a run that is started again after a crash repeats no finished rollout.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for options that are wrong or unknown; the first failure of disk or
 * store; the abort reason of `signal`. The last two are thrown once the rollouts under way have stopped.
 * @example
 * const { meanReward } = await streamRollouts(tasks, options, { out: "run.jsonl", onGroup: (group) => train(group) });
 */
export async function streamRollouts(
  tasks: readonly MemoryTask[],
  options: RolloutOptions,
  hooks: RunHooks = {},
): Promise<RunSummary> {
  return stream("streamRollouts", tasks, options, hooks);
}

async function stream(
  what: string,
  tasks: readonly MemoryTask[],
  options: RolloutOptions,
  hooks: RunHooks,
): Promise<RunSummary> {
  const checked = rolloutSettings(options, what);
  checkRunHooks(hooks, what);
  if (checked.branchAt !== undefined && hooks.workers) {
    throw new ConfigError("AGEMEM_CONFIG_INVALID", `${what}: branchAt and workers exclude each other`, {
      remedy: "Leave --processes out: the rollouts of a group go on from one state, in one process.",
    });
  }
  const journal =
    hooks.out === undefined
      ? undefined
      : await RunJournal.open(hooks.out, runIdentity(checked, hooks.identity));
  journal?.plan({
    ...(hooks.share ?? { number: 1, of: 1 }),
    groups: tasks.map(({ id }) => groupIdOf(id, checked)),
  });
  let complete = false;
  try {
    const summary = await streamIntoJournal(tasks, checked, journal, hooks);
    complete = true;
    return summary;
  } finally {
    await journal?.close(complete);
  }
}

/**
 * As {@link streamRollouts}, into a recording that the caller has opened, reads and closes.
 *
 * @throws as {@link streamRollouts}
 */
export async function streamIntoJournal(
  tasks: readonly MemoryTask[],
  checked: RolloutSettings,
  journal: RunJournal | undefined,
  hooks: RunHooks,
): Promise<RunSummary> {
  const tracker = new ProgressTracker(tasks.length * checked.k, hooks.onProgress);
  const groups = await withSignal(checked.signal, (signal) => {
    // Each rollout under way has one listener, which it removes.
    setMaxListeners(checked.concurrency + 10, signal);
    const run = new Run({ ...checked, signal }, journal, tracker, hooks);
    return alone(() => run.all(tasks));
  });
  return { ...tracker.progress, groups };
}

/**
 * Detaches rollouts from a graph whose node starts them, so that they do not inherit its thread, checkpoints or signal.
 */
function alone<T>(work: () => Promise<T>): Promise<T> {
  return AsyncLocalStorageProviderSingleton.runWithConfig(undefined, work, true);
}

/**
 * Like {@link streamRollouts}, but keeps and returns all groups: for runs that fit into memory.
 *
 * @returns the groups in the order of the tasks, without groups that were in `out` already
 * @throws as {@link streamRollouts}
 * @example
 * const groups = await runRollouts(tasks, { policy: () => model, store, judge: createOfflineJudge(), k: 8 });
 */
export async function runRollouts(
  tasks: readonly MemoryTask[],
  options: RolloutOptions,
  hooks: RunHooks = {},
): Promise<GroupResult[]> {
  const kept = new Map<string, GroupResult>();
  checkRunHooks(hooks, "runRollouts");
  const { groups } = await stream("runRollouts", tasks, options, {
    ...hooks,
    onGroup: async (group) => {
      kept.set(group.groupId, group);
      await hooks.onGroup?.(group);
    },
  });
  return groups.flatMap(({ groupId }) => kept.get(groupId) ?? []);
}

class Run {
  /** After a failure of disk, store or `onGroup` no further rollouts start; those under way finish first. */
  private readonly stop = new AbortController();
  private readonly rollouts: LimitFunction;
  private readonly groups: LimitFunction;
  private readonly sweeper: Sweeper;
  private readonly agents: StageAgents;

  constructor(
    private readonly settings: RolloutSettings,
    private readonly journal: RunJournal | undefined,
    private readonly tracker: ProgressTracker,
    private readonly hooks: RunHooks,
  ) {
    const { concurrency, k, store } = settings;
    this.sweeper = new Sweeper(store);
    this.agents = new StageAgents(settings);
    this.rollouts = pLimit(concurrency);
    // Enough open groups to keep all slots busy while some wait for their last slow rollouts.
    this.groups = pLimit(2 * Math.ceil(concurrency / k) + 1);
  }

  async all(tasks: readonly MemoryTask[]): Promise<GroupSummary[]> {
    const groups = await settleAll(tasks.map((task) => this.groups(() => this.group(task))));
    return groups.filter((group) => group !== undefined);
  }

  private async group(task: MemoryTask): Promise<GroupSummary | undefined> {
    const identities = groupIdentities(task, this.settings);
    const groupId = identities[0]?.groupId ?? "";
    const written = this.journal?.outcomes(groupId);
    if (written) {
      for (const outcome of written) this.tracker.finished(outcome);
      return undefined;
    }
    await this.hooks.beforeGroup?.(task.id);
    const rollouts =
      this.settings.branchAt === undefined
        ? await this.apart(task, identities, groupId)
        : await this.branched(task, identities);
    return this.deliver(finishGroup(rollouts, this.settings.advantage));
  }

  private async apart(
    task: MemoryTask,
    identities: readonly RolloutIdentity[],
    groupId: string,
  ): Promise<RolloutResult[]> {
    const earlier = await this.journal?.finished(groupId);
    return settleAll(
      identities.map(async (identity) => {
        const result =
          earlier?.get(identity.rolloutId) ?? (await this.rollouts(() => this.fresh(task, identity)));
        this.tracker.finished(result.trajectory);
        return result;
      }),
    );
  }

  /** A group that was cut off begins anew: another beginning would be another state. */
  private async branched(task: MemoryTask, identities: readonly RolloutIdentity[]): Promise<RolloutResult[]> {
    const first = identities[0] as RolloutIdentity;
    const prefix = await this.rollouts(() => runPrefix(task, first, this.settings, this.agents));
    try {
      return await settleAll(
        identities.map(async (identity) => {
          const result = await this.rollouts(() =>
            runRollout(task, identity, this.settings, this.agents, prefix),
          );
          this.tracker.finished(result.trajectory);
          return result;
        }),
      );
    } catch (error) {
      this.stop.abort(error);
      throw error;
    } finally {
      await prefix.fork.discard();
      for (const _ of identities) await this.sweeper.discarded();
    }
  }

  private async deliver(group: GroupResult): Promise<GroupSummary> {
    try {
      await this.journal?.write(group);
      await this.hooks.onGroup?.(group);
    } catch (error) {
      this.stop.abort(error);
      throw error;
    }
    return summarizeGroup(group);
  }

  private async fresh(task: MemoryTask, identity: RolloutIdentity): Promise<RolloutResult> {
    this.stop.signal.throwIfAborted();
    this.settings.signal?.throwIfAborted();
    try {
      const result = await this.rollout(task, identity);
      await this.journal?.keep(identity.groupId, result);
      if (!this.hooks.workers) await this.sweeper.discarded();
      return result;
    } catch (error) {
      this.stop.abort(error);
      throw error;
    }
  }

  private async rollout(task: MemoryTask, identity: RolloutIdentity): Promise<RolloutResult> {
    const { workers } = this.hooks;
    if (!workers) return runRollout(task, identity, this.settings, this.agents);
    try {
      return await workers.run(task, identity);
    } catch (error) {
      // A worker throws only a copy of the abort reason: prefer the original.
      this.settings.signal?.throwIfAborted();
      throw error;
    }
  }
}

/**
 * `Promise.all` that waits for all before it throws the first failure, so that nothing writes after the caller knows.
 */
async function settleAll<T>(promises: Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(promises);
  const failure = settled.find((result) => result.status === "rejected");
  if (failure) throw failure.reason;
  return settled.map((result) => (result as PromiseFulfilledResult<T>).value);
}
