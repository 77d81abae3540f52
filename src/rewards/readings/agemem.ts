/**
 * The paper's parts with their shortcuts closed. Pure.
 *
 * A part that the episode gave no occasion for does not apply, so that no policy can earn it by acting for its own sake:
 * preventive where the context would never have filled, maintenance where nothing told became outdated, preservation where
 * the question names nothing that was told. Compression, task and penalties are the paper's.
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
