/** What a trainer receives for a group: its samples in the format of the request, and the facts about the group. */

import { exporterByName } from "../../trajectory/exporters/registry.js";
import type { Rollout } from "../../trajectory/file.js";
import type { RolloutRequest } from "./request.js";

/** One group in the form that the trainer gets. */
export interface RolloutGroupOutput extends GroupFacts {
  /** Records (steps, then the trajectory, per rollout), or rows of the requested format. */
  samples: unknown[];
}

/** A group without its samples. */
export interface GroupFacts {
  task_id: string;
  group_id: string;
  rewards: (number | null)[];
  advantages: (number | null)[];
  statuses: string[];
  /** Why a rollout failed; null if it did not. */
  errors: (string | null)[];
  zero_variance: boolean;
  /** Steps and rollouts that the format cannot take, by reason. */
  refused: Record<string, number>;
}

/** Collects the facts of a group from its rollouts, one at a time. */
export class GroupOutput {
  readonly facts: GroupFacts;

  constructor(
    groupId: string,
    private readonly request: Pick<RolloutRequest, "format" | "policy_version">,
  ) {
    this.facts = {
      task_id: "",
      group_id: groupId,
      rewards: [],
      advantages: [],
      statuses: [],
      errors: [],
      zero_variance: false,
      refused: {},
    };
  }

  /** Samples of the group's next rollout. */
  samples(rollout: Rollout): readonly unknown[] {
    const { facts } = this;
    const { task_id, reward, advantage, advantage_meta: meta, status, error } = rollout.trajectory;
    facts.task_id = task_id ?? "";
    facts.rewards.push(reward);
    facts.advantages.push(advantage);
    facts.statuses.push(status);
    facts.errors.push(error ? `${error.code}: ${error.message}` : null);
    facts.zero_variance ||= meta?.zero_variance ?? false;
    const { format, policy_version: policyVersion } = this.request;
    if (format === "records") return [...rollout.steps, rollout.trajectory];
    const options = policyVersion === undefined ? {} : { policyVersion };
    const { rows, refused } = exporterByName(format).export(rollout, options);
    for (const { reason } of refused) facts.refused[reason] = (facts.refused[reason] ?? 0) + 1;
    return rows;
  }
}
