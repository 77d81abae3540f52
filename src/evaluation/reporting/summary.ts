/**
 * Statistics of an evaluation: means with 95% intervals by system, and differences between systems over the same
 * episodes.
 *
 * A failed episode counts as 0 in every metric, so that failing is never better than being wrong. Pure.
 */
import type { EvaluationEpisode, EvaluationRecord, ObservedRecord } from "../runs/record.js";
import { type Estimate, estimate, type Sample } from "./estimate.js";

/** Results of one system on one suite. */
export interface SystemSummary {
  suite: string;
  system: string;
  episodes: number;
  failed: number;
  metrics: Record<string, Estimate>;
  /** Means by category of question. */
  categories: Record<string, Record<string, Estimate>>;
  /** Mean tokens per episode; null if a server reported none. */
  recalledTokens: number;
  promptTokens: number | null;
  responseTokens: number | null;
  /** Tokens of the system's own calls per episode, including those for showing it the conversations. */
  auxiliaryTokens: number | null;
  auxiliaryCalls: number;
  /** Memories held per case after it was shown. */
  stored: number | null;
  operations: Record<string, number>;
}

/** One system compared with another, over the episodes that both have. */
export interface PairedDifference {
  suite: string;
  metric: string;
  system: string;
  baseline: string;
  /** `system` minus `baseline`. */
  difference: Estimate;
  better: number;
  worse: number;
}

/** One summary per suite and system, in the order of the file. */
export function summarizeSystems(records: readonly EvaluationRecord[]): SystemSummary[] {
  const groups = new Map<string, EvaluationEpisode[]>();
  const observed = new Map<string, ObservedRecord>();
  for (const record of records) {
    if (record.type === "settings") continue;
    const group = JSON.stringify([record.suite, record.system]);
    if (record.type === "observed") observed.set(JSON.stringify([group, record.seed, record.case]), record);
    else groups.set(group, [...(groups.get(group) ?? []), record]);
  }
  return [...groups].map(([group, episodes]) => {
    const shown = [...observed].filter(([key]) => (JSON.parse(key) as [string])[0] === group);
    return summarizeSystem(
      episodes,
      shown.map(([, record]) => record),
    );
  });
}

function summarizeSystem(
  episodes: readonly EvaluationEpisode[],
  observed: readonly ObservedRecord[],
): SystemSummary {
  const n = episodes.length;
  const per = (pick: (record: EvaluationEpisode) => number | null): number | null => {
    const sum = total(episodes, pick);
    return sum === null ? null : sum / n;
  };
  const showing = total(observed, ({ auxiliary }) => tokensOf(auxiliary));
  const asking = total(episodes, ({ auxiliary }) => tokensOf(auxiliary));
  const calls = [...episodes, ...observed].reduce((sum, { auxiliary }) => sum + auxiliary.calls, 0);
  const categories = [...new Set(episodes.map(({ category }) => category))];
  return {
    suite: episodes[0]?.suite ?? "",
    system: episodes[0]?.system ?? "",
    episodes: n,
    failed: episodes.filter(({ error }) => error).length,
    metrics: estimates(episodes),
    categories: Object.fromEntries(
      categories.map((name) => [name, estimates(episodes.filter(({ category }) => category === name))]),
    ),
    recalledTokens: per((record) => record.recalled_tokens) ?? 0,
    promptTokens: per(({ policy }) => policy.prompt_tokens),
    responseTokens: per(({ policy }) => policy.response_tokens),
    auxiliaryTokens: showing === null || asking === null ? null : (showing + asking) / n,
    auxiliaryCalls: calls / n,
    stored: observed.length ? (total(observed, ({ stored }) => stored) ?? 0) / observed.length : null,
    operations: sumOperations([...observed, ...episodes]),
  };
}

function estimates(episodes: readonly EvaluationEpisode[]): Record<string, Estimate> {
  const names = [...new Set(episodes.flatMap(({ metrics }) => Object.keys(metrics ?? {})))];
  return Object.fromEntries(names.map((name) => [name, estimate(valuesOf(episodes, name).map(sampleOf))]));
}

/** A metric's values in the episodes that have it, and 0 in those that failed. */
function valuesOf(episodes: readonly EvaluationEpisode[], name: string): [EvaluationEpisode, number][] {
  return episodes.flatMap((record) => {
    const value = record.metrics === null ? 0 : record.metrics[name];
    return value === undefined ? [] : [[record, value] as [EvaluationEpisode, number]];
  });
}

/** Questions of one conversation are not independent of each other. */
function sampleOf([record, value]: [EvaluationEpisode, number]): Sample {
  return { group: record.case, value };
}

/** Compares `system` with every other one in one metric, suite by suite. */
export function pairedDifferences(
  records: readonly EvaluationRecord[],
  metric: string,
  system: string,
): PairedDifference[] {
  const episodes = records.filter((record): record is EvaluationEpisode => record.type === "episode");
  const suites = [...new Set(episodes.map(({ suite }) => suite))];
  return suites.flatMap((suite) => {
    const here = episodes.filter((record) => record.suite === suite);
    const own = new Map(
      valuesOf(
        here.filter((record) => record.system === system),
        metric,
      ).map(keyed),
    );
    const others = [...new Set(here.map((record) => record.system))].filter((name) => name !== system);
    return others.flatMap((baseline) => {
      const theirs = valuesOf(
        here.filter((record) => record.system === baseline),
        metric,
      );
      const differences = theirs.flatMap(([record, value]) => {
        const mine = own.get(keyed([record, value])[0]);
        return mine === undefined ? [] : [sampleOf([record, mine - value])];
      });
      if (differences.length === 0) return [];
      const better = differences.filter(({ value }) => value > 0).length;
      const worse = differences.filter(({ value }) => value < 0).length;
      return [{ suite, metric, system, baseline, difference: estimate(differences), better, worse }];
    });
  });
}

function keyed([{ task, seed }, value]: [EvaluationEpisode, number]): [string, number] {
  return [JSON.stringify([task, seed]), value];
}

function total<T>(records: readonly T[], pick: (record: T) => number | null): number | null {
  let sum = 0;
  for (const record of records) {
    const value = pick(record);
    if (value === null) return null;
    sum += value;
  }
  return sum;
}

function tokensOf({
  prompt_tokens: prompt,
  response_tokens: response,
}: EvaluationEpisode["auxiliary"]): number | null {
  return prompt === null || response === null ? null : prompt + response;
}

function sumOperations(records: readonly Pick<EvaluationEpisode, "operations">[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const { operations } of records) {
    for (const [name, n] of Object.entries(operations)) sum[name] = (sum[name] ?? 0) + n;
  }
  return sum;
}
