/**
 * Turns recorded rollouts into a trainer's rows.
 *
 * Owns the interface, what every exporter refuses, and the loop over rollouts that counts rows and refusals. Leaves out
 * the formats (`exporters/`, listed in `exporters/registry.ts`). Nothing is made up: a step without the tokens that a
 * trainer needs is refused with a reason.
 */
import type { Rollout } from "./file.js";
import type { StepRecord } from "./schema.js";

export type ExportRow = Record<string, unknown>;

/** Options of all exporters; each uses those that concern it. */
export interface RowOptions {
  /** Policy version for records without one. Default: the formats that need one refuse such steps. */
  policyVersion?: number;
  /** Trinity: the `batch` part of the experience id. Default 0. */
  batch?: number | string;
  /** Chat: refuses unscored rollouts and those with a lower reward. Default: none. */
  minReward?: number;
}

/** Something that was not exported. */
export interface Refusal {
  rolloutId: string;
  /** Null for the whole rollout. */
  stepIndex: number | null;
  /** One of a few fixed texts, so that reasons can be counted. */
  reason: string;
}

/** The rows of one rollout, and what was refused. */
export interface Exported {
  rows: ExportRow[];
  refused: Refusal[];
}

/** An export format. Pure: one rollout in, its rows out. Auxiliary calls never become rows. */
export interface Exporter {
  readonly name: string;
  /** What a row is and what reads it, in one phrase. */
  readonly description: string;
  export(rollout: Rollout, options?: RowOptions): Exported;
}

/** Counts of an export. */
export interface ExportReport {
  rollouts: number;
  rows: number;
  /** Refused steps and rollouts by reason. */
  refused: Record<string, number>;
}

/**
 * Exports rollouts one after the other and passes each row to the sink.
 *
 * @example
 * const report = await exportRollouts(readRollouts("run.jsonl"), trlExporter, (row) => rows.push(row));
 */
export async function exportRollouts(
  rollouts: AsyncIterable<Rollout> | Iterable<Rollout>,
  exporter: Exporter,
  sink: (row: ExportRow) => void | Promise<void>,
  options: RowOptions = {},
): Promise<ExportReport> {
  const report: ExportReport = { rollouts: 0, rows: 0, refused: {} };
  for await (const rollout of rollouts) {
    const { rows, refused } = exporter.export(rollout, options);
    report.rollouts++;
    for (const row of rows) {
      await sink(row);
      report.rows++;
    }
    for (const { reason } of refused) report.refused[reason] = (report.refused[reason] ?? 0) + 1;
  }
  return report;
}

/** A step whose token fields are known to be set. */
export type TokenStep = StepRecord & {
  prompt_token_ids: number[];
  response_token_ids: number[];
  response_mask: (0 | 1)[];
};

/** Values at or below this stand for "none" (vLLM writes -9999): a policy ratio to them would be infinite. */
const FLOOR_LOGPROB = -1000;

const REASONS: Readonly<Record<string, string>> = {
  no_token_ids: "no token ids from the server",
  token_mismatch: "the server's token counts disagree",
  error: "the call failed",
};

/** The policy steps that a trainer can use, and refusals of the others. */
export function tokenSteps({ steps, trajectory }: Rollout): { usable: TokenStep[]; refused: Refusal[] } {
  const usable: TokenStep[] = [];
  const refused: Refusal[] = [];
  for (const step of steps) {
    if (step.call_role !== "policy") continue;
    const reason = whyNot(step);
    if (reason === null) usable.push(step as TokenStep);
    else refused.push({ rolloutId: trajectory.rollout_id, stepIndex: step.step_index, reason });
  }
  return { usable, refused };
}

/** Why a trainer cannot use the step; null when it can. */
function whyNot(step: StepRecord): string | null {
  const { trainable, prompt_token_ids: prompt, response_token_ids: response, response_mask: mask } = step;
  if (!(trainable && prompt && response && mask)) {
    return REASONS[step.drop_reason ?? "no_token_ids"] ?? step.drop_reason ?? "not trainable";
  }
  const floored = step.response_logprobs?.some((logprob, i) => mask[i] === 1 && logprob <= FLOOR_LOGPROB);
  return floored ? "the server gave a placeholder for a log-probability" : null;
}

/** Refuses a whole rollout. */
export function refuseRollout({ trajectory }: Rollout, reason: string): Exported {
  return { rows: [], refused: [{ rolloutId: trajectory.rollout_id, stepIndex: null, reason }] };
}
