/**
 * One request of the streaming service: its run, its recording on disk, and its acknowledged groups.
 *
 * Owns the folder of the request: `request.json` (its settings), `run/` (the recording, with its journal and index) and
 * `acknowledged.jsonl`. Every finished rollout and group is on disk before it is sent, so that it is not run again
 * after a lost connection or a killed service; memory holds only the current rollouts. Leaves out readers and time
 * (`requests.ts`).
 */
import { existsSync } from "node:fs";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AgeMemError, InputError } from "../../errors.js";
import { ensureDirectory } from "../../lib/directory.js";
import { sha256 } from "../../lib/hash.js";
import { JsonlWriter, readJsonl } from "../../lib/jsonl.js";
import type { TokenCounter, VersionedStore } from "../../types.js";
import { groupIdOf } from "../group.js";
import { RunJournal } from "../journal.js";
import type { RolloutProgress } from "../progress.js";
import { differences, runIdentity } from "../recording/identity.js";
import type { RolloutResult } from "../rollout.js";
import { streamIntoJournal } from "../runner.js";
import { type RolloutSettings, rolloutSettings } from "../settings.js";
import { Delivery } from "./delivery.js";
import type { LineProgress, OpenBody } from "./protocol.js";
import { type RolloutRequest, tasksOf } from "./request.js";
import { optionsOf } from "./request-setup.js";

/** What a run needs from its process. */
export interface RunHost {
  openStore: () => Promise<VersionedStore & { close(): Promise<void> }>;
  counterFor?: ((model: string) => TokenCounter) | undefined;
  /** Name of the embeddings behind `openStore`, part of the run's settings. */
  embeddings?: string | undefined;
}

export class RequestRun {
  /** Set when the run has ended: by itself, or by a failure, which its readers then get. */
  ended: { failure: unknown } | undefined;
  private progress: RolloutProgress = { done: 0, total: 0, failed: 0, meanReward: null };
  private readonly controller = new AbortController();
  private readonly done: Promise<void>;

  private constructor(
    readonly request: RolloutRequest,
    readonly delivery: Delivery,
    private readonly journal: RunJournal,
    private readonly acknowledgements: JsonlWriter,
    run: (controller: AbortController) => Promise<void>,
  ) {
    this.done = run(this.controller).then(
      () => this.end(undefined),
      (failure) => this.end(failure),
    );
  }

  /**
   * Begins the run, or resumes it from its folder.
   *
   * @param have groups that the reader has: they are not rolled out, even if the folder was lost
   * @throws InputError `AGEMEM_RECORDING_SETTINGS`, `AGEMEM_RECORDING_LOCKED`, `AGEMEM_INPUT_FILE`
   */
  static async open(
    folder: string,
    request: RolloutRequest,
    host: RunHost,
    { window, have, again }: Pick<OpenBody, "window" | "again"> & { have: readonly string[] },
  ): Promise<RequestRun> {
    ensureDirectory(folder);
    await claim(join(folder, "request.json"), request);
    if (again) await writeFile(join(folder, "acknowledged.jsonl"), "");
    const store = await host.openStore();
    let journal: RunJournal | undefined;
    try {
      const named = host.embeddings === undefined ? {} : { embeddingName: host.embeddings };
      const own = { ...optionsOf(request, host.counterFor), ...named, store };
      const settings = rolloutSettings(own, "the request");
      journal = await openJournal(folder, request, settings, host.embeddings);
      return await RequestRun.begin(folder, request, settings, journal, { window, have });
    } catch (error) {
      await journal?.close(false);
      await store.close();
      throw error;
    }
  }

  private static async begin(
    folder: string,
    request: RolloutRequest,
    settings: RolloutSettings,
    journal: RunJournal,
    { window, have }: { window: number | undefined; have: readonly string[] },
  ): Promise<RequestRun> {
    const recorded = (id: string): boolean => journal.outcomes(id) !== undefined;
    const ids = new Map(request.tasks.map(({ id }) => [id, groupIdOf(id, settings)]));
    const delivery = new Delivery([...ids.values()], recorded, window ?? defaultWindow(settings));
    const file = join(folder, "acknowledged.jsonl");
    const acknowledgements = await JsonlWriter.open(file);
    const earlier = await readIds(file);
    delivery.acknowledge(earlier);
    // Of a finished request the rollouts are gone, and readers have them.
    const had = new Set([...earlier, ...have].filter((id) => !recorded(id)));
    const tasks = tasksOf(request).filter(({ id }) => !had.has(ids.get(id) as string));
    const run = new RequestRun(request, delivery, journal, acknowledgements, async (controller) => {
      try {
        const { signal } = controller;
        await streamIntoJournal(tasks, { ...settings, signal }, journal, {
          beforeGroup: (taskId) => delivery.begin(ids.get(taskId) as string, signal),
          onGroup: ({ groupId }) => delivery.finish(groupId),
          onProgress: (progress) => {
            run.progress = progress;
          },
        });
      } finally {
        await (settings.store as VersionedStore & { close(): Promise<void> }).close();
      }
    });
    return run;
  }

  /** Rollouts of a finished group, from disk. */
  read(groupId: string): AsyncGenerator<RolloutResult> {
    return this.journal.read(groupId);
  }

  /** @throws InputError `AGEMEM_INPUT_ARGUMENT` for ids that are not groups of the request; the others count */
  async acknowledge(ids: readonly string[]): Promise<void> {
    const unknown = new Set(this.delivery.acknowledge(ids));
    await this.acknowledgements.append(
      ids.filter((id) => !unknown.has(id)),
      { sync: false },
    );
    if (unknown.size === 0) return;
    throw new InputError(
      "AGEMEM_INPUT_ARGUMENT",
      `${[...unknown].slice(0, 3).join(", ")} is no group of the request`,
      {
        remedy: "Acknowledge the group_id of group lines, under the request_id they came from.",
      },
    );
  }

  get figures(): LineProgress {
    const { done, total, failed, meanReward } = this.progress;
    return { done, total, failed, mean_reward: meanReward };
  }

  /** Ends the run; finished rollouts stay on disk. */
  async stop(): Promise<void> {
    this.controller.abort(new InputError("AGEMEM_ROLLOUTS_UNKNOWN", "The request was put aside or closed"));
    await this.done;
    await this.journal.close(false);
    await this.acknowledgements.close();
  }

  private end(failure: unknown): void {
    this.ended = { failure };
    this.delivery.tell();
  }
}

/**
 * As many groups as the runner keeps open, so that all slots stay busy while some groups wait for their slowest
 * rollouts.
 */
function defaultWindow({ concurrency, k }: RolloutSettings): number {
  return 2 * Math.ceil(concurrency / k) + 1;
}

async function openJournal(
  folder: string,
  { policy }: RolloutRequest,
  settings: RolloutSettings,
  embeddings: string | undefined,
): Promise<RunJournal> {
  const { base_url: _, ...sampling } = policy;
  return RunJournal.open(
    `${join(folder, "run")}/`,
    runIdentity(settings, { policy: sampling, embeddings: embeddings ?? null }),
  );
}

/** Writes down the settings of the request, or compares them with the earlier ones, except those that may change. */
async function claim(file: string, request: RolloutRequest): Promise<void> {
  const now = fixedFields(request);
  if (!existsSync(file)) return writeFile(file, JSON.stringify(now));
  let before: Record<string, unknown>;
  try {
    before = JSON.parse(await readFile(file, "utf8")) as Record<string, unknown>;
  } catch (error) {
    // Incomplete after a kill; nothing was begun before it was written.
    if (error instanceof SyntaxError) return writeFile(file, JSON.stringify(now));
    throw error;
  }
  const found = differences(before, now);
  if (found.length === 0) return;
  throw new InputError(
    "AGEMEM_RECORDING_SETTINGS",
    `The request was begun with other settings: ${found.join("; ").slice(0, 2000)}`,
    {
      remedy: "Give the settings it was begun with, or another request_id; POST /rollouts/close forgets it.",
      details: { differences: found.slice(0, 20) },
    },
  );
}

/** The settings that must not change. Address and concurrency of the policy, the time limit and the format may. */
export function fixedFields(request: RolloutRequest): Record<string, unknown> {
  const { tasks, concurrency: _c, timeout_s: _t, format: _f, policy, ...rest } = request;
  const { base_url: _b, ...sampling } = policy;
  return { ...rest, policy: sampling, tasks: tasks.length, tasks_sha256: sha256(JSON.stringify(tasks)) };
}

/** Frees the disk of a request that is not open; which groups were acknowledged is kept. */
export async function removeRollouts(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (/^run\b/.test(name)) await rm(join(folder, name), { recursive: true, force: true });
  }
}

async function readIds(file: string): Promise<string[]> {
  const ids: string[] = [];
  for await (const { value } of readJsonl(file)) if (typeof value === "string") ids.push(value);
  return ids;
}

/** An error in the form that readers get. */
export function errorFields(error: unknown): { code: string | null; message: string; remedy: string | null } {
  if (!AgeMemError.isInstance(error)) {
    return {
      code: null,
      message: "The rollout service failed",
      remedy: "See the log of the rollout service.",
    };
  }
  return { code: error.code, message: error.message, remedy: error.remedy ?? null };
}
