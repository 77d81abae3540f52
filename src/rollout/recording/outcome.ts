/** What progress needs to know of a recorded rollout. */
import type { TrajectoryRecord } from "../../trajectory/schema.js";

export type RolloutOutcome = Pick<TrajectoryRecord, "status" | "reward">;
