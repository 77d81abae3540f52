/**
 * Turning recorded rollouts into a trainer's rows.
 *
 * Owns the interface, what every exporter refuses, and the run over a file's rollouts with its count. The formats are
 * in `exporters/`, the list of them in `exporters/registry.ts`. Nothing is made up: a step without the tokens a
 * trainer needs is refused with a reason.
 */
import type { Rollout } from "./file.js";
import type { StepRecord } from "./schema.js";

export type ExportRow = Record<string, unknown>;

/** Options that exporters read; each says which it uses. */
export interface RowOptions {
  /** Version of the policy for records that carry none. Default: such steps are refused where one is needed. */
  policyVersion?: number;
  /** Trinity: the `batch` part of the experience id. Default 0. */
  batch?: number | string;
  /** Chat: leaves out rollouts with a lower reward, unscored ones included. Default: all rollouts. */
  minReward?: number;
}

/** Something that was not exported. */
export interface Refusal {
  rolloutId: string;
  /** Null when the whole rollout is meant. */
  stepIndex: number | null;
  /** One of a few fixed texts, so that they can be counted. */
  reason: string;
}

/** Rows of one rollout and what was left out of them. */
export interface Exported {
  rows: ExportRow[];
  refused: Refusal[];
}

/** A format. Pure: one rollout in, its rows out. Auxiliary calls are never rows. */
export interface Exporter {
  readonly name: string;
  /** What a row is and what reads it, in one sentence. */
  readonly description: string;
  export(rollout: Rollout, options?: RowOptions): Exported;
}

/** What an export came to. */
export interface ExportReport {
  rollouts: number;
  rows: number;
  /** Refused steps and rollouts by reason. */
  refused: Record<string, number>;
}

/**
 * Exports rollouts one after the other, each row to the sink as it is made.
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

/** A step whose token fields are known to be there. */
type TokenStep = StepRecord & {
  prompt_token_ids: number[];
  response_token_ids: number[];
  response_mask: (0 | 1)[];
};

/** At or below it a log-probability is no measurement (vLLM says -9999): the ratio to it would be infinite. */
const FLOOR_LOGPROB = -1000;

const REASONS: Readonly<Record<string, string>> = {
  no_token_ids: "no token ids from the server",
  token_mismatch: "the server's token counts disagree",
  error: "the call failed",
};

/** The policy steps a trainer can use, with the refusals of the others. */
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

/** Why a trainer cannot use a step; null when it can. */
function whyNot(step: StepRecord): string | null {
  const { trainable, prompt_token_ids: prompt, response_token_ids: response, response_mask: mask } = step;
  if (!(trainable && prompt && response && mask)) {
    return REASONS[step.drop_reason ?? "no_token_ids"] ?? step.drop_reason ?? "not trainable";
  }
  const floored = step.response_logprobs?.some((logprob, i) => mask[i] === 1 && logprob <= FLOOR_LOGPROB);
  return floored ? "the server gave a stand-in for a log-probability" : null;
}

/** The refusal of a whole rollout. */
export function refuseRollout({ trajectory }: Rollout, reason: string): Exported {
  return { rows: [], refused: [{ rolloutId: trajectory.rollout_id, stepIndex: null, reason }] };
}
