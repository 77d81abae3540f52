/**
 * The paper's parts with their shortcuts closed. Pure.
 *
 * A part for which the episode gave no occasion does not apply, so that no policy can earn it with needless actions:
 * preventive if the context would never have filled, maintenance if no fact became outdated, preservation if the
 * question names nothing that was told. Compression, task and penalties are the paper's.
 */
import { compressionReward } from "../compression.js";
import { roundsPenalty, tokensPenalty } from "../penalties.js";
import type { RewardReading } from "../scoring.js";
import { taskReward } from "../task.js";
import { composed } from "./composed.js";
import { maintainedFacts } from "./guarded/maintenance.js";
import { groundedPreservation } from "./guarded/preservation.js";
import { reducedInTime } from "./guarded/preventive.js";
import { usefulRelevance, usefulStorage } from "./guarded/usefulness.js";

export const agememReading: RewardReading = {
  parts: (input, weights) =>
    composed(weights, {
      task: taskReward(input),
      context: [compressionReward(input), reducedInTime(input), groundedPreservation(input)],
      memory: [usefulStorage(input), maintainedFacts(input), usefulRelevance(input)],
      penalty: [roundsPenalty(input), tokensPenalty(input)],
    }),
};
