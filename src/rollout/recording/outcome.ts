/** What progress needs of a rollout that is on disk. */
import type { TrajectoryRecord } from "../../trajectory/schema.js";

export type RolloutOutcome = Pick<TrajectoryRecord, "status" | "reward">;
