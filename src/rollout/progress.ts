/** Progress of a run: how many rollouts have finished, and their mean reward. */
import type { RolloutOutcome } from "./recording/outcome.js";

/** Counts of a run so far. */
export interface RolloutProgress {
  /** Rollouts finished, including those of an earlier process. */
  done: number;
  total: number;
  /** Mean reward of the scored rollouts; null before the first. */
  meanReward: number | null;
  /** Rollouts without a reward. */
  failed: number;
}

/** Counts outcomes and reports after each one. */
export class ProgressTracker {
  private done = 0;
  private failed = 0;
  private scored = 0;
  private sum = 0;

  constructor(
    private readonly total: number,
    private readonly report: ((progress: RolloutProgress) => void) | undefined,
  ) {}

  finished({ status, reward }: RolloutOutcome): void {
    this.done += 1;
    if (status !== "ok" && status !== "truncated") this.failed += 1;
    if (reward !== null) {
      this.scored += 1;
      this.sum += reward;
    }
    this.report?.(this.progress);
  }

  get progress(): RolloutProgress {
    const { done, total, failed } = this;
    return { done, total, failed, meanReward: this.scored ? this.sum / this.scored : null };
  }
}
