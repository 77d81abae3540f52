/**
 * Rolling out many tasks: K rollouts each, a bounded number at once, resumable, one group written when it is whole.
 *
 * Owns scheduling and back-pressure. Leaves out what a rollout does (`rollout.ts`), the files (`journal.ts`) and the
 * count of what is done (`progress.ts`).
 */
import { setMaxListeners } from "node:events";
import { AsyncLocalStorageProviderSingleton } from "@langchain/core/singletons";
import pLimit, { type LimitFunction } from "p-limit";
import type { MemoryTask } from "../types.js";
import { withSignal } from "./deadline.js";
import { StageAgents } from "./driver/stage-agents.js";
import {
  finishGroup,
  type GroupResult,
  type GroupSummary,
  groupIdentities,
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

/** What a run came to. */
export interface RunSummary extends RolloutProgress {
  /** In the order of the tasks, without those that were in `out` already. */
  groups: GroupSummary[];
}

/**
 * Rolls out every task K times (AgeMem, alg. 2-5) and hands over each group, with rewards and advantages, when it is
 * whole. Memory is that of the groups under way, however many tasks there are.
 *
 * Each rollout writes to its own fork of `options.store`. A rollout that fails is recorded with its error and gets
 * no reward; its siblings go on. With `out` set nothing that finished is run again after a crash.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for options that are wrong or unknown; the first failure of disk or store; the abort reason of `signal`, when
 * the rollouts under way have stopped
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
  const journal =
    hooks.out === undefined
      ? undefined
      : await RunJournal.open(hooks.out, runIdentity(checked, hooks.identity));
  const tracker = new ProgressTracker(tasks.length * checked.k, hooks.onProgress);
  let complete = false;
  try {
    const groups = await withSignal(checked.signal, (signal) => {
      // Each rollout under way listens once and takes its listener back.
      setMaxListeners(checked.concurrency + 10, signal);
      const run = new Run({ ...checked, signal }, journal, tracker, hooks);
      return alone(() => run.all(tasks));
    });
    complete = true;
    return { ...tracker.progress, groups };
  } finally {
    await journal?.close(complete);
  }
}

/** Called in a node of another graph, rollouts must not become its children: no thread, checkpoints or signal of it. */
function alone<T>(work: () => Promise<T>): Promise<T> {
  return AsyncLocalStorageProviderSingleton.runWithConfig(undefined, work, true);
}

/**
 * As {@link streamRollouts}, and keeps everything: for runs that fit into memory.
 *
 * @returns the groups in the order of the tasks, without those that were in `out` already
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
  /** One failing group stops the start of further rollouts; those under way end first. */
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
    // Enough open groups to keep all slots busy while the last rollouts of some are slow.
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
    const earlier = await this.journal?.finished(groupId);
    const rollouts = await settleAll(
      identities.map(async (identity) => {
        const result =
          earlier?.get(identity.rolloutId) ?? (await this.rollouts(() => this.fresh(task, identity)));
        this.tracker.finished(result.trajectory);
        return result;
      }),
    );
    return this.deliver(finishGroup(rollouts, this.settings.advantage));
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
      // A worker sends a copy of the reason.
      this.settings.signal?.throwIfAborted();
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
