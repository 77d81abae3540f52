/**
 * What makes a killed run resumable: finished rollouts of unfinished groups, beside the recording itself.
 *
 * A recording (`FILE`) holds whole groups only, because an advantage needs its group. Until a group is whole its
 * finished rollouts wait in `FILE.journal/GROUP.jsonl`, of the same schema. `FILE.journal/tail.json` says where the
 * recording ended before the group being appended, so that a torn group is cut off and written again. Memory and disk
 * are those of the groups under way.
 */
import { existsSync } from "node:fs";
import { readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import pLimit from "p-limit";
import { InputError, messageOf } from "../errors.js";
import { ensureDirectory } from "../lib/directory.js";
import { readJsonl } from "../lib/jsonl.js";
import { parseRecord, readRollouts, TrajectoryWriter } from "../trajectory/file.js";
import type { TrajectoryRecord } from "../trajectory/schema.js";
import type { GroupResult } from "./group.js";
import type { RolloutResult } from "./rollout.js";

/** What progress needs of a rollout that is on disk. */
export type RolloutOutcome = Pick<TrajectoryRecord, "status" | "reward">;

/** The recording of one run on disk. */
export class RunJournal {
  /** Appends one group after the other, however many finish at once. */
  private readonly serial = pLimit(1);

  private constructor(
    private readonly path: string,
    private readonly recording: TrajectoryWriter,
    /** Outcomes of the rollouts of each group that is in the recording already. */
    private readonly written: Map<string, RolloutOutcome[]>,
    /** Groups of which an earlier process finished a part. */
    private readonly begun: Set<string>,
  ) {}

  /** Opens or creates the recording and reads what is there. Errors: `AGEMEM_INPUT_FILE`, `AGEMEM_TRAJECTORY_*`. */
  static async open(path: string): Promise<RunJournal> {
    await prepare(path);
    const recording = await TrajectoryWriter.open(path);
    const written = await outcomesIn(path);
    const begun = new Set<string>();
    for (const name of await readdir(folder(path))) {
      const group = /^(.+)\.jsonl$/.exec(name)?.[1];
      if (group !== undefined && !written.has(group)) begun.add(group);
    }
    return new RunJournal(path, recording, written, begun);
  }

  /** Outcomes of a group that is in the recording already; undefined for any other. */
  outcomes(groupId: string): readonly RolloutOutcome[] | undefined {
    return this.written.get(groupId);
  }

  /** Rollouts of a group, by id, that an earlier process finished. */
  async finished(groupId: string): Promise<Map<string, RolloutResult>> {
    const rollouts = new Map<string, RolloutResult>();
    if (!this.begun.has(groupId)) return rollouts;
    for await (const rollout of readRollouts(groupFile(this.path, groupId))) {
      rollouts.set(rollout.trajectory.rollout_id, rollout);
    }
    return rollouts;
  }

  /** Keeps one finished rollout until its group is whole. */
  async keep(groupId: string, rollout: RolloutResult): Promise<void> {
    await this.serial(async () => {
      const file = await TrajectoryWriter.open(groupFile(this.path, groupId));
      try {
        await file.appendRollout(rollout);
      } finally {
        await file.close();
      }
    });
  }

  /** Writes a whole group to the recording. */
  async write(group: GroupResult): Promise<void> {
    await this.serial(async () => {
      const { size } = await stat(this.path);
      await writeFile(tailFile(this.path), JSON.stringify({ group: group.groupId, size }), { flush: true });
      await this.recording.append(
        group.rollouts.flatMap((rollout) => [...rollout.steps, rollout.trajectory]),
      );
      await rm(tailFile(this.path));
      await rm(groupFile(this.path, group.groupId), { force: true });
    });
  }

  /** @param complete true when every group is written; the journal is then of no more use */
  async close(complete: boolean): Promise<void> {
    await this.recording.close();
    if (complete) await rm(folder(this.path), { recursive: true, force: true });
  }
}

/** Removes a recording and its journal. */
export async function removeRecording(path: string): Promise<void> {
  await rm(path, { force: true });
  await rm(folder(path), { recursive: true, force: true });
}

function folder(path: string): string {
  return `${path}.journal`;
}

function groupFile(path: string, groupId: string): string {
  return join(folder(path), `${groupId}.jsonl`);
}

function tailFile(path: string): string {
  return join(folder(path), "tail.json");
}

async function prepare(path: string): Promise<void> {
  try {
    ensureDirectory(folder(path));
    await cutTornGroup(path);
  } catch (cause) {
    throw new InputError("AGEMEM_INPUT_FILE", `${folder(path)} cannot be written: ${messageOf(cause)}`, {
      cause,
      remedy: "Check the path and its permissions.",
      details: { path },
    });
  }
}

/** A process that died while it appended a group may have left half of it; the group's rollouts are in its file. */
async function cutTornGroup(path: string): Promise<void> {
  const tail = tailFile(path);
  if (!existsSync(tail)) return;
  const text = await readFile(tail, "utf8");
  // A torn note means that the append had not begun.
  const size = /^\{"group":".*","size":(\d+)\}$/.exec(text)?.[1];
  if (size !== undefined && existsSync(path)) await truncate(path, Number(size));
  await rm(tail);
}

async function outcomesIn(path: string): Promise<Map<string, RolloutOutcome[]>> {
  const groups = new Map<string, RolloutOutcome[]>();
  for await (const { line, value } of readJsonl(path)) {
    if ((value as { kind?: unknown }).kind === "step") continue;
    const record = parseRecord(value, `${path}:${line}`);
    if (record.kind !== "trajectory" || record.group_id === null) continue;
    const outcomes = groups.get(record.group_id) ?? [];
    outcomes.push({ status: record.status, reward: record.reward });
    groups.set(record.group_id, outcomes);
  }
  return groups;
}
