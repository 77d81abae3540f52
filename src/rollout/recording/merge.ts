/**
 * Puts the recordings of a run's shares together: what n machines rolled out with `--shard` becomes the recording of one run.
 *
 * Owns the checks (same run, same settings, every share once and whole) and the order, which is that of the tasks. Memory is
 * that of one group. A merge that was cut off goes on when it is asked for again.
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { InputError } from "../../errors.js";
import { RunJournal } from "../journal.js";
import type { RolloutResult } from "../rollout.js";
import { readGroup } from "./group-reader.js";
import { recordingEnd } from "./group-writer.js";
import { differences, type RunIdentity } from "./identity.js";
import { RecordingIndex, type RunShare } from "./index-file.js";
import type { RolloutOutcome } from "./outcome.js";

/** What a merge came to. */
export interface MergeReport {
  parts: number;
  groups: number;
  rollouts: number;
}

interface Part {
  path: string;
  index: RecordingIndex;
  identity: RunIdentity;
  share: RunShare;
  /** Outcomes of the groups that are in it. */
  there: Map<string, readonly RolloutOutcome[]>;
}

/**
 * Merges recordings into `out`, a new one of any form.
 *
 * @throws InputError `AGEMEM_RECORDING_SHARES`, `AGEMEM_RECORDING_SETTINGS`, `AGEMEM_RECORDING_LOCKED`, `AGEMEM_INPUT_FILE`,
 * `AGEMEM_INPUT_ARGUMENT`, `AGEMEM_TRAJECTORY_*`
 */
export async function mergeRecordings(paths: readonly string[], out: string): Promise<MergeReport> {
  const names = [...paths, out].map((path) => resolve(path));
  if (new Set(names).size < names.length) {
    throw new InputError("AGEMEM_INPUT_ARGUMENT", "A recording is named twice", {
      remedy: "Name each share once, and another file for the merged recording.",
    });
  }
  const opened: RecordingIndex[] = [];
  try {
    const parts: Part[] = [];
    for (const path of paths) parts.push(await openPart(path, opened));
    const [first] = parts;
    if (!first)
      throw new InputError("AGEMEM_INPUT_ARGUMENT", "There is nothing to merge", {
        remedy: "Name the shares.",
      });
    const shares = inOrder(first, parts);
    return await write(shares, out);
  } finally {
    for (const index of opened) index.close();
  }
}

async function openPart(path: string, opened: RecordingIndex[]): Promise<Part> {
  if (!existsSync(`${path.replace(/\/$/, "")}.index`)) {
    throw refused(
      `${path} has no index, which says what share it is`,
      "Copy RECORDING.index along with the recording.",
      [path],
    );
  }
  const index = await RecordingIndex.open(path);
  opened.push(index);
  const [share, ...more] = index.shares();
  const identity = index.runs().find(({ run }) => run === share?.run);
  if (!share || !identity) {
    const remedy =
      "Give its `agemem rollout` command again: it writes what is missing, and no rollout runs again.";
    throw refused(`${path} does not say what share it is`, remedy, [path]);
  }
  if (more.length > 0) {
    const held = [share, ...more].map(({ run, number, of }) => `${number}/${of} of ${run}`).join(", ");
    throw refused(
      `${path} holds more than one share: ${held}`,
      "Record each share into a recording of its own.",
      [path],
    );
  }
  const there = index.groups();
  await checkWhole(path, index, share, there);
  return { path, index, identity, share, there };
}

async function checkWhole(
  path: string,
  index: RecordingIndex,
  { groups }: RunShare,
  there: Part["there"],
): Promise<void> {
  const [now, indexed] = [await recordingEnd(path), index.end()];
  if (indexed && (now?.part !== indexed.part || now.bytes !== indexed.bytes)) {
    const remedy = "Copy the recording again, or give its `agemem rollout` command again, which mends it.";
    throw refused(`${path} does not end where its index says: it is cut off, or was changed`, remedy, [path]);
  }
  const missing = groups.filter((id) => !there.has(id));
  if (missing.length === 0) return;
  const remedy = "Give its `agemem rollout` command again: it goes on where it ended.";
  throw refused(`${path} has ${groups.length - missing.length} of its ${groups.length} groups`, remedy, [
    path,
  ]);
}

/** The parts by the number of their share. */
function inOrder(first: Part, parts: readonly Part[]): Part[] {
  const { of } = first.share;
  const shares = new Map<number, Part>();
  for (const part of parts) {
    checkSameRun(first, part);
    const { number } = part.share;
    if (part.share.of !== of) {
      const found = `${first.path} is one of ${of} shares, ${part.path} one of ${part.share.of}`;
      throw refused(found, "Merge shares of one division only.", [first.path, part.path]);
    }
    const other = shares.get(number);
    if (other) {
      const remedy = "Leave one of them out.";
      throw refused(`${other.path} and ${part.path} are both share ${number}/${of}`, remedy, [
        other.path,
        part.path,
      ]);
    }
    shares.set(number, part);
  }
  const numbers = Array.from({ length: of }, (_, i) => i + 1);
  const missing = numbers.filter((number) => !shares.has(number)).map((number) => `${number}/${of}`);
  if (missing.length > 0) {
    throw refused(`Share ${missing.join(", ")} is missing`, "Name the recordings of all shares.", missing);
  }
  return numbers.map((number) => shares.get(number) as Part);
}

function checkSameRun(first: Part, { path, identity }: Part): void {
  const names = first.identity.run === identity.run ? [] : [`run ${first.identity.run}, now ${identity.run}`];
  const found = [...names, ...differences(first.identity.settings, identity.settings)];
  if (found.length === 0) return;
  throw new InputError(
    "AGEMEM_RECORDING_SETTINGS",
    `${path} was rolled out with other settings than ${first.path}: ${found.join("; ")}`,
    {
      remedy: "Merge recordings of one run only; roll this share out again with the settings of the others.",
      details: { paths: [first.path, path], differences: found },
    },
  );
}

async function write(parts: readonly Part[], out: string): Promise<MergeReport> {
  const journal = await RunJournal.open(out, parts[0]?.identity);
  const report = { parts: parts.length, groups: 0, rollouts: 0 };
  let complete = false;
  try {
    const order = interleaved(parts);
    journal.plan({ number: 1, of: 1, groups: order.map(({ id }) => id) });
    for (const { id, part } of order) {
      const outcomes = part.there.get(id)?.length ?? 0;
      report.groups++;
      report.rollouts += outcomes;
      if (journal.outcomes(id)) continue;
      const rollouts = await groupOf(part, id, outcomes);
      await journal.write({ groupId: id, rollouts });
    }
    complete = true;
    return report;
  } finally {
    await journal.close(complete);
  }
}

/** The order of the run's tasks: share i of n has every n-th from the i-th on. */
function interleaved(parts: readonly Part[]): { id: string; part: Part }[] {
  const longest = Math.max(...parts.map(({ share }) => share.groups.length));
  const order: { id: string; part: Part }[] = [];
  const seen = new Map<string, Part>();
  for (let i = 0; i < longest; i++) {
    for (const part of parts) {
      const id = part.share.groups[i];
      if (id === undefined) continue;
      const other = seen.get(id);
      if (other) {
        throw refused(
          `Group ${id} is in ${other.path} and in ${part.path}`,
          "Merge shares that share no task.",
          [id],
        );
      }
      seen.set(id, part);
      order.push({ id, part });
    }
  }
  return order;
}

async function groupOf({ path, index }: Part, id: string, expected: number): Promise<RolloutResult[]> {
  const rollouts: RolloutResult[] = [];
  for await (const rollout of readGroup(path, id, index.place(id))) {
    if (rollout.trajectory.group_id === id) rollouts.push(rollout);
  }
  if (rollouts.length === expected) return rollouts;
  const remedy = "Copy the recording again, or give its `agemem rollout` command again, which mends it.";
  throw refused(`${path} has ${rollouts.length} of the ${expected} rollouts of group ${id}`, remedy, [path]);
}

function refused(message: string, remedy: string, about: readonly string[]): InputError {
  return new InputError("AGEMEM_RECORDING_SHARES", message, { remedy, details: { about } });
}
