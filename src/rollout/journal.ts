/**
 * What makes a killed run resumable: finished rollouts of unfinished groups, beside the recording itself.
 *
 * A recording (`FILE`) holds whole groups only, because an advantage needs its group. Until a group is whole its
 * finished rollouts wait in `FILE.journal`, of the same schema. Both are append-only and synced per write.
 */
import { existsSync } from "node:fs";
import { unlink } from "node:fs/promises";
import { readRollouts, TrajectoryWriter } from "../trajectory/file.js";
import type { GroupResult } from "./group.js";
import type { RolloutResult } from "./rollout.js";

/** The recording of one run on disk. */
export class RunJournal {
  private constructor(
    private readonly path: string,
    private readonly recording: TrajectoryWriter,
    private readonly journal: TrajectoryWriter,
    /** Rollouts by id that an earlier process finished. */
    readonly finished: ReadonlyMap<string, RolloutResult>,
    /** Groups that are in the recording already. */
    readonly written: ReadonlySet<string>,
  ) {}

  /** Opens or creates both files and reads what is there. Errors: `AGEMEM_INPUT_FILE`, `AGEMEM_TRAJECTORY_*`. */
  static async open(path: string): Promise<RunJournal> {
    const recording = await TrajectoryWriter.open(path);
    const journal = await TrajectoryWriter.open(journalPath(path));
    const finished = await finishedIn(path);
    const written = new Set([...finished.values()].map((rollout) => rollout.trajectory.group_id as string));
    for (const [id, rollout] of await finishedIn(journalPath(path))) {
      if (!finished.has(id)) finished.set(id, rollout);
    }
    return new RunJournal(path, recording, journal, finished, written);
  }

  /** Keeps one finished rollout until its group is whole. */
  async keep(rollout: RolloutResult): Promise<void> {
    await this.journal.appendRollout(rollout);
  }

  /** Writes a whole group to the recording. */
  async write(group: GroupResult): Promise<void> {
    await this.recording.append(group.rollouts.flatMap((rollout) => [...rollout.steps, rollout.trajectory]));
  }

  /** @param complete true when every group is written; the journal is then of no more use */
  async close(complete: boolean): Promise<void> {
    await this.recording.close();
    await this.journal.close();
    if (complete) await unlink(journalPath(this.path));
  }
}

function journalPath(path: string): string {
  return `${path}.journal`;
}

async function finishedIn(path: string): Promise<Map<string, RolloutResult>> {
  const rollouts = new Map<string, RolloutResult>();
  if (!existsSync(path)) return rollouts;
  for await (const rollout of readRollouts(path)) rollouts.set(rollout.trajectory.rollout_id, rollout);
  return rollouts;
}
