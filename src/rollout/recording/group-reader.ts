/**
 * Reads one group of a recording again: by its bytes where the index knows them, else by reading through the recording.
 *
 * Memory is that of one rollout. Leaves out which groups there are (`index-file.ts`).
 */
import { join } from "node:path";
import { type Rollout, readRollouts, readRolloutsIn } from "../../trajectory/file.js";
import type { GroupPlace } from "./index-file.js";

/** The rollouts of a group in the order in which they were written. @throws as `readRollouts` */
export async function* readGroup(
  path: string,
  groupId: string,
  place: GroupPlace | undefined,
): AsyncGenerator<Rollout> {
  if (place) {
    yield* readRolloutsIn(place.part === "" ? path : join(path, place.part), place);
    return;
  }
  for await (const rollout of readRollouts(path)) {
    if (rollout.trajectory.group_id === groupId) yield rollout;
  }
}
