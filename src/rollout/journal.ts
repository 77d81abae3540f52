/**
 * What makes a killed run resumable: finished rollouts of unfinished groups, beside the recording itself.
 *
 * A recording (`FILE`) holds whole groups only, because an advantage needs its group. Until a group is whole its
 * finished rollouts wait in `FILE.journal/GROUP.jsonl`, of the same schema. `FILE.journal/tail.json` says where the
 * recording ended before the group being appended, so that a torn group is cut off and written again. Memory and disk
 * are those of the groups under way.
 */
import { existsSync } from "node:fs";
import { readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import pLimit from "p-limit";
import { InputError, messageOf } from "../errors.js";
import { ensureDirectory } from "../lib/directory.js";
import { readJsonl } from "../lib/jsonl.js";
import { parseRecord, readRollouts, TrajectoryWriter } from "../trajectory/file.js";
import { Unpacker } from "../trajectory/recording/packing.js";
import { recordingForm, recordingParts } from "../trajectory/recording/parts.js";
import type { GroupResult } from "./group.js";
import { appendGroup, cutAfter, PART_BYTES, recordingEnd } from "./recording/group-writer.js";
import type { RunIdentity } from "./recording/identity.js";
import { type IndexedEnd, RecordingIndex } from "./recording/index-file.js";
import type { RolloutOutcome } from "./recording/outcome.js";
import type { RolloutResult } from "./rollout.js";

/** The recording of one run on disk. */
export class RunJournal {
  /** Appends one group after the other, however many finish at once. */
  private readonly serial = pLimit(1);

  private constructor(
    private readonly path: string,
    private readonly index: RecordingIndex,
    private readonly partBytes: number,
    /** Outcomes of the rollouts of each group that is in the recording already. */
    private readonly written: Map<string, RolloutOutcome[]>,
    /** Groups of which an earlier process finished a part. */
    private readonly begun: Set<string>,
  ) {}

  /**
   * Takes the recording for this process, and finds out what is there: by the index, or by reading it where there is none.
   *
   * @param identity settings of the run; another run of that name must have had the same
   * @throws InputError `AGEMEM_RECORDING_LOCKED`, `AGEMEM_RECORDING_SETTINGS`, `AGEMEM_INPUT_FILE`, `AGEMEM_TRAJECTORY_*`
   */
  static async open(path: string, identity?: RunIdentity, partBytes = PART_BYTES): Promise<RunJournal> {
    if (recordingForm(path) === "folder") await prepared(path, () => ensureDirectory(path));
    await prepared(path, () => ensureDirectory(dirname(path)));
    const index = await RecordingIndex.open(path);
    try {
      if (identity) index.claim(identity);
      await prepare(path);
      const written = await settle(path, index);
      const begun = new Set<string>();
      for (const name of await readdir(folder(path))) {
        const group = /^(.+)\.jsonl$/.exec(name)?.[1];
        if (group !== undefined && !written.has(group)) begun.add(group);
      }
      return new RunJournal(path, index, partBytes, written, begun);
    } catch (error) {
      index.close();
      throw error;
    }
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

  /** Keeps one finished rollout until its group is whole. Only the power can take it: the group is synced. */
  async keep(groupId: string, rollout: RolloutResult): Promise<void> {
    await this.serial(async () => {
      const file = await TrajectoryWriter.open(groupFile(this.path, groupId));
      try {
        await file.append([...rollout.steps, rollout.trajectory], { sync: false });
      } finally {
        await file.close();
      }
    });
  }

  /** Writes a whole group to the recording. */
  async write(group: GroupResult): Promise<void> {
    await this.serial(async () => {
      const end = await recordingEnd(this.path);
      await writeFile(tailFile(this.path), JSON.stringify({ group: group.groupId, size: end?.bytes ?? 0 }));
      const outcomes = group.rollouts.map(({ trajectory: { status, reward } }) => ({ status, reward }));
      this.index.add(group.groupId, await appendGroup(this.path, group, this.partBytes), outcomes);
      await rm(tailFile(this.path));
      await rm(groupFile(this.path, group.groupId), { force: true });
    });
  }

  /** @param complete true when every group is written; the journal is then of no more use */
  async close(complete: boolean): Promise<void> {
    this.index.close();
    if (complete) await rm(folder(this.path), { recursive: true, force: true });
  }
}

/** Removes a recording and its journal. */
export async function removeRecording(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
  await rm(folder(path), { recursive: true, force: true });
  await rm(`${path.replace(/\/$/, "")}.index`, { force: true });
}

function folder(path: string): string {
  return `${path.replace(/\/$/, "")}.journal`;
}

function groupFile(path: string, groupId: string): string {
  return join(folder(path), `${groupId}.jsonl`);
}

function tailFile(path: string): string {
  return join(folder(path), "tail.json");
}

async function prepare(path: string): Promise<void> {
  await prepared(path, async () => {
    ensureDirectory(folder(path));
    const form = recordingForm(path);
    if (form === "lines") await cutTornGroup(path);
    else await rm(tailFile(path), { force: true });
    // Also checks that it can be written, and mends the last line of a file that something else wrote.
    if (form === "lines") await (await TrajectoryWriter.open(path)).close();
  });
}

async function prepared(path: string, work: () => void | Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    throw new InputError("AGEMEM_INPUT_FILE", `${path} cannot be written: ${messageOf(cause)}`, {
      cause,
      remedy: "Check the path and its permissions.",
      details: { path },
    });
  }
}

/**
 * The groups that are there. Where the recording ends as indexed, the index tells; what follows in a packed recording is a
 * torn group, whose rollouts are in its file. Anything else was changed from outside and is read.
 */
async function settle(path: string, index: RecordingIndex): Promise<Map<string, RolloutOutcome[]>> {
  const indexed = index.end();
  let now = await recordingEnd(path);
  if (indexed && now && recordingForm(path) !== "lines" && isAfter(now, indexed)) {
    if (now.part === indexed.part) await cutAfter(path, indexed);
    else await rm(join(path, now.part));
    now = await recordingEnd(path);
    if (now && isAfter(now, indexed)) await cutAfter(path, indexed);
    now = await recordingEnd(path);
  }
  const same = indexed ? now?.part === indexed.part && now.bytes === indexed.bytes : !now || now.bytes === 0;
  if (same) return index.groups();
  index.clear();
  const found = await outcomesIn(path);
  // All with the end of the whole: what stands where is not asked for.
  if (now) for (const [id, outcomes] of found) index.add(id, now, outcomes);
  return found;
}

function isAfter(a: IndexedEnd, b: IndexedEnd): boolean {
  return a.part > b.part || (a.part === b.part && a.bytes > b.bytes);
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
  const unpacker = new Unpacker();
  for (const part of recordingParts(path)) {
    for await (const { line, value } of readJsonl(part)) {
      if ((value as { kind?: unknown }).kind === "step") continue;
      const where = `${part}:${line}`;
      const record = parseRecord(unpacker.unpack(value, where), where);
      if (record.kind !== "trajectory" || record.group_id === null) continue;
      const outcomes = groups.get(record.group_id) ?? [];
      outcomes.push({ status: record.status, reward: record.reward });
      groups.set(record.group_id, outcomes);
    }
  }
  return groups;
}
