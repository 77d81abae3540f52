/** The parts of a reward that could be scored: trainers average them, and cannot handle null. */
import type { TrajectoryRecord } from "../schema.js";

export function scoredParts({ reward_parts: parts }: TrajectoryRecord): Record<string, number> {
  return Object.fromEntries(
    Object.entries(parts).filter((entry): entry is [string, number] => entry[1] !== null),
  );
}
