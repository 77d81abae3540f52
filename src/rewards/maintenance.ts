/** Maintenance part of R_memory: was long-term memory kept up to date? (AgeMem, appendix A.2) Pure. */
import { operations, type RewardPart, type ScoringInput } from "./scoring.js";

/** 1 if at least one UPDATE or DELETE succeeded, else 0. */
export function maintenanceReward({ steps }: Pick<ScoringInput, "steps">): RewardPart {
  const done = operations(steps, ["UPDATE", "DELETE"]);
  const basis = done.length === 0 ? "no UPDATE or DELETE" : `${done.length} UPDATE or DELETE`;
  return { value: done.length > 0 ? 1 : 0, basis };
}
