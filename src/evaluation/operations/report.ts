/** Statistics of the operations test: shares with intervals, by kind of situation, and which moves were made. Pure. */
import { wilson } from "../../lib/interval.js";
import { MEMORY_OPS } from "../../types.js";
import type { SituationResult } from "./run.js";
import { SITUATION_KINDS, type SituationKind } from "./situation.js";

/** A share of situations and its 95% interval. */
export interface Share {
  hits: number;
  of: number;
  share: number;
  low: number;
  high: number;
}

/** Columns of the confusion matrix. */
export const MOVES = ["ANSWER", ...MEMORY_OPS, "several", "INVALID"] as const;
export type Move = (typeof MOVES)[number];

/** Results of one subject. */
export interface SubjectReport {
  subject: string;
  situations: number;
  valid: Share;
  rightOperation: Share;
  rightArguments: Share;
  byKind: Partial<Record<SituationKind, KindReport>>;
  /** Mean tokens per decision; null unless the model reported them for all decisions. */
  promptTokens: number | null;
  responseTokens: number | null;
  /** Mean milliseconds per decision. */
  latencyMs: number;
}

export interface KindReport {
  wanted: string;
  rightOperation: Share;
  rightArguments: Share;
  /** How often each move was made. */
  moves: Record<Move, number>;
}

/** One report per subject, in order of first appearance. */
export function reportOperations(results: readonly SituationResult[]): SubjectReport[] {
  return [...groupBy(results, ({ subject }) => subject)].map(([subject, own]) => ({
    subject,
    situations: own.length,
    valid: shareOf(own, ({ valid }) => valid),
    rightOperation: shareOf(own, ({ right_operation }) => right_operation),
    rightArguments: shareOf(own, ({ right_arguments }) => right_arguments),
    byKind: byKind(own),
    promptTokens: mean(own.map(({ prompt_tokens }) => prompt_tokens)),
    responseTokens: mean(own.map(({ response_tokens }) => response_tokens)),
    latencyMs: mean(own.map(({ latency_ms }) => latency_ms)) ?? 0,
  }));
}

function byKind(results: readonly SituationResult[]): SubjectReport["byKind"] {
  const groups = groupBy(results, ({ kind }) => kind);
  const rows = (Object.keys(SITUATION_KINDS) as SituationKind[]).flatMap((kind) => {
    const own = groups.get(kind);
    if (own === undefined) return [];
    const report: KindReport = {
      wanted: own[0]?.wanted ?? "",
      rightOperation: shareOf(own, ({ right_operation }) => right_operation),
      rightArguments: shareOf(own, ({ right_arguments }) => right_arguments),
      moves: countMoves(own),
    };
    return [[kind, report] as const];
  });
  return Object.fromEntries(rows);
}

function countMoves(results: readonly SituationResult[]): Record<Move, number> {
  const counts = Object.fromEntries(MOVES.map((move) => [move, 0])) as Record<Move, number>;
  for (const { move } of results) counts[moveOf(move)] += 1;
  return counts;
}

function moveOf(move: string): Move {
  return MOVES.find((known) => known === move) ?? "several";
}

function shareOf(results: readonly SituationResult[], holds: (result: SituationResult) => boolean): Share {
  const [hits, of] = [results.filter(holds).length, results.length];
  const [low, high] = wilson(hits, of);
  return { hits, of, share: of === 0 ? 0 : hits / of, low, high };
}

function mean(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  // A mean over only some of the calls would look like one over all.
  if (known.length < values.length || known.length === 0) return null;
  return known.reduce((sum, value) => sum + value, 0) / known.length;
}

function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}
