/** Actions and costs of systems per episode: operations by stage, tokens by user, time, money. Pure. */
import { plus } from "../../lib/call-usage.js";
import type { EvaluationEpisode, EvaluationRecord, ObservedRecord } from "../runs/record.js";

/** Means per episode of one system on one suite; null if a server did not report tokens, or there were no prices. */
export interface Spending {
  suite: string;
  system: string;
  episodes: number;
  /**
   * Tokens of the answering or acting model, of the system's own calls (also while shown conversations), and of the
   * judge.
   */
  prompt: number | null;
  response: number | null;
  ownPrompt: number | null;
  ownResponse: number | null;
  judge: number | null;
  judgeCalls: number;
  /** Total number of scores that the judge did not give. */
  judgeFailures: number;
  /** Calls of language models, without the judge's. */
  calls: number;
  seconds: number;
  cost: number | null;
  judgeCost: number | null;
  /** Operations while it was shown conversations, and while it was asked or acted. */
  shown: Record<string, number>;
  asked: Record<string, number>;
}

/** In the order of the records. A case that was shown again after an interruption counts once. */
export function spendings(records: readonly EvaluationRecord[]): Spending[] {
  interface Group {
    episodes: EvaluationEpisode[];
    observed: Map<string, ObservedRecord>;
  }
  const groups = new Map<string, Group>();
  for (const record of records) {
    if (record.type === "settings") continue;
    const key = JSON.stringify([record.suite, record.system]);
    const group: Group = groups.get(key) ?? { episodes: [], observed: new Map() };
    groups.set(key, group);
    if (record.type === "episode") group.episodes.push(record);
    else group.observed.set(JSON.stringify([record.seed, record.case]), record);
  }
  return [...groups]
    .filter(([, { episodes }]) => episodes.length > 0)
    .map(([key, { episodes, observed }]) => {
      const [suite = "", system = ""] = JSON.parse(key) as string[];
      return { suite, system, ...spent(episodes, [...observed.values()]) };
    });
}

function spent(
  episodes: readonly EvaluationEpisode[],
  observed: readonly ObservedRecord[],
): Omit<Spending, "suite" | "system"> {
  const n = episodes.length;
  const per = (values: readonly (number | null)[]): number | null => {
    const sum = values.reduce(plus, 0);
    return sum === null ? null : sum / n;
  };
  const own = [...episodes, ...observed].map(({ auxiliary }) => auxiliary);
  const judged = episodes.flatMap(({ judge }) => (judge ? [judge] : []));
  const priced = [...episodes, ...observed];
  return {
    episodes: n,
    prompt: per(episodes.map(({ policy }) => policy.prompt_tokens)),
    response: per(episodes.map(({ policy }) => policy.response_tokens)),
    ownPrompt: per(own.map((usage) => usage.prompt_tokens)),
    ownResponse: per(own.map((usage) => usage.response_tokens)),
    judge: per(judged.map((each) => plus(each.prompt_tokens, each.response_tokens))),
    judgeCalls: per(judged.map(({ calls }) => calls)) ?? 0,
    judgeFailures: judged.reduce((sum, { failures }) => sum + failures.length, 0),
    calls: per([...episodes.map(({ policy }) => policy.calls), ...own.map(({ calls }) => calls)]) ?? 0,
    seconds: (per(priced.map(({ latency_ms: ms }) => ms)) ?? 0) / 1000,
    cost: per(priced.map(({ cost }) => cost)),
    judgeCost: judged.length ? per(judged.map(({ cost }) => cost)) : null,
    shown: operationsPer(observed, n),
    asked: operationsPer(episodes, n),
  };
}

function operationsPer(
  records: readonly Pick<EvaluationEpisode, "operations">[],
  episodes: number,
): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const { operations } of records) {
    for (const [name, n] of Object.entries(operations)) sum[name] = (sum[name] ?? 0) + n / episodes;
  }
  return sum;
}
