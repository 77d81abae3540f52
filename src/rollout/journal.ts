/**
 * Makes a killed run resumable: keeps the finished rollouts of unfinished groups beside the recording.
 *
 * A recording (`FILE`) holds complete groups only, because an advantage needs its whole group. Until then a group's
 * finished rollouts wait in `FILE.journal/GROUP.jsonl`, in the same schema. A group that was only partly appended when
 * the process died is cut off and written again: `FILE.journal/tail.json` tells where it began in a recording of plain
 * lines, the index does in a packed one. Only the groups under way take memory and journal space.
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
import { readGroup } from "./recording/group-reader.js";
import { appendGroup, cutAfter, PART_BYTES, recordingEnd } from "./recording/group-writer.js";
import type { RunIdentity } from "./recording/identity.js";
import { type IndexedEnd, RecordingIndex, type RunShare } from "./recording/index-file.js";
import type { RolloutOutcome } from "./recording/outcome.js";
import type { RolloutResult } from "./rollout.js";

/** The recording of one run on disk. */
export class RunJournal {
  /** Appends groups one at a time, however many finish at once. */
  private readonly serial = pLimit(1);

  private constructor(
    private readonly path: string,
    private readonly index: RecordingIndex,
    private readonly partBytes: number,
    /** Outcomes of the groups that are in the recording already. */
    private readonly written: Map<string, RolloutOutcome[]>,
    /** Groups that an earlier process began and did not finish. */
    private readonly begun: Set<string>,
    private readonly run: string | undefined,
  ) {}

  /**
   * Locks the recording for this process and finds out which groups it holds, from its index or else by reading it.
   *
   * @param identity settings of the run; they must equal those of an earlier run of the same name
   * @throws InputError `AGEMEM_RECORDING_LOCKED`, `AGEMEM_RECORDING_SETTINGS`, `AGEMEM_INPUT_FILE`,
   * `AGEMEM_TRAJECTORY_*`
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
      return new RunJournal(path, index, partBytes, written, begun, identity?.run);
    } catch (error) {
      index.close();
      throw error;
    }
  }

  /** Outcomes of a group that is in the recording already; undefined for other groups. */
  outcomes(groupId: string): readonly RolloutOutcome[] | undefined {
    return this.written.get(groupId);
  }

  /** Rollouts of an unfinished group that an earlier process finished, by id. */
  async finished(groupId: string): Promise<Map<string, RolloutResult>> {
    const rollouts = new Map<string, RolloutResult>();
    if (!this.begun.has(groupId)) return rollouts;
    for await (const rollout of readRollouts(groupFile(this.path, groupId))) {
      rollouts.set(rollout.trajectory.rollout_id, rollout);
    }
    return rollouts;
  }

  /** Notes what the run comes to when it is whole, for merging. */
  plan(share: RunShare): void {
    if (this.run !== undefined) this.index.plan(this.run, share);
  }

  /** Rollouts of a group that is in the recording, one at a time. @throws InputError `AGEMEM_INPUT_FILE`, `AGEMEM_TRAJECTORY_*` */
  read(groupId: string): AsyncGenerator<RolloutResult> {
    return readGroup(this.path, groupId, this.index.place(groupId));
  }

  /**
   * Keeps one finished rollout until its group is complete. Not synced, so a power failure may lose it; groups are
   * synced.
   */
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

  /** Appends a complete group to the recording. */
  async write(group: Pick<GroupResult, "groupId" | "rollouts">): Promise<void> {
    await this.serial(async () => {
      const before = await recordingEnd(this.path);
      await writeFile(
        tailFile(this.path),
        JSON.stringify({ group: group.groupId, size: before?.bytes ?? 0 }),
      );
      const outcomes = group.rollouts.map(({ trajectory: { status, reward } }) => ({ status, reward }));
      const after = await appendGroup(this.path, group, this.partBytes);
      this.index.add(group.groupId, after, outcomes, before?.part === after.part ? before.bytes : 0);
      await rm(tailFile(this.path));
      await rm(groupFile(this.path, group.groupId), { force: true });
    });
  }

  /** @param complete true when every group is written, so that the journal can go */
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
    // Opening it checks that it can be written, and repairs the last line if another program left it torn.
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
 * The groups in the recording. If it ends where the index says, the index lists them. In a packed recording anything
 * after that end is a torn group, which is cut off: its rollouts are in the journal. Any other difference means that
 * something else changed the recording, which is then read.
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
  // All get the end of the recording: where each begins is not known.
  if (now) for (const [id, outcomes] of found) index.add(id, now, outcomes, null);
  return found;
}

function isAfter(a: IndexedEnd, b: IndexedEnd): boolean {
  return a.part > b.part || (a.part === b.part && a.bytes > b.bytes);
}

/** Cuts off the group that a process was appending when it died; its rollouts are in the journal. */
async function cutTornGroup(path: string): Promise<void> {
  const tail = tailFile(path);
  if (!existsSync(tail)) return;
  const text = await readFile(tail, "utf8");
  // If the note itself is torn, the append had not begun.
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
