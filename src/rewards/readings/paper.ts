/** The parts as in the paper (AgeMem, appendix A.2). Pure. */
import { compressionReward } from "../compression.js";
import { maintenanceReward } from "../maintenance.js";
import { roundsPenalty, tokensPenalty } from "../penalties.js";
import { preservationReward } from "../preservation.js";
import { preventiveReward } from "../preventive.js";
import { relevanceReward } from "../relevance.js";
import type { RewardReading } from "../scoring.js";
import { storageReward } from "../storage.js";
import { taskReward } from "../task.js";
import { composed } from "./composed.js";

/** Each part is computed by its own file in `rewards/`. */
export const paperReading: RewardReading = {
  parts: (input, weights) =>
    composed(weights, {
      task: taskReward(input),
      context: [compressionReward(input), preventiveReward(input), preservationReward(input)],
      memory: [storageReward(input), maintenanceReward(input), relevanceReward(input)],
      penalty: [roundsPenalty(input), tokensPenalty(input)],
    }),
};
