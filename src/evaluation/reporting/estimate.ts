/**
 * A mean with its 95 % intervals, by 2,000 seeded resamplings (percentiles). Pure.
 *
 * Owns both ways to resample: episodes as if they were independent, and whole groups of them, such as the questions of one
 * conversation, which share what was kept of it. With few groups the second is too narrow as well.
 */
import { createRandom, type Random } from "../../lib/random.js";

/** A figure of one episode, and what it shares with others. */
export interface Sample {
  group: string;
  value: number;
}

/** A mean and its 95 % intervals. */
export interface Estimate {
  n: number;
  mean: number;
  /** Of the mean, were the episodes independent. */
  low: number;
  high: number;
  /** Over groups; null where each episode is a group of its own, or all are one. */
  grouped: { groups: number; low: number; high: number } | null;
}

const RESAMPLES = 2000;

/** @example estimate([{ group: "a", value: 0 }, { group: "b", value: 1 }]).mean; // 0.5 */
export function estimate(samples: readonly Sample[]): Estimate {
  const n = samples.length;
  const mean = samples.reduce((sum, { value }) => sum + value, 0) / Math.max(1, n);
  if (n < 2) return { n, mean, low: mean, high: mean, grouped: null };
  const alone = samples.map(({ value }) => ({ sum: value, n: 1 }));
  const groups = totals(samples);
  const isGrouped = groups.length > 1 && groups.length < n;
  return {
    n,
    mean,
    ...interval(alone),
    grouped: isGrouped ? { groups: groups.length, ...interval(groups) } : null,
  };
}

/** What is drawn together. */
interface Unit {
  sum: number;
  n: number;
}

function totals(samples: readonly Sample[]): Unit[] {
  const units = new Map<string, Unit>();
  for (const { group, value } of samples) {
    const { sum, n } = units.get(group) ?? { sum: 0, n: 0 };
    units.set(group, { sum: sum + value, n: n + 1 });
  }
  return [...units.values()];
}

function interval(units: readonly Unit[]): { low: number; high: number } {
  const random = createRandom("bootstrap");
  const means = Array.from({ length: RESAMPLES }, () => resampled(units, random)).sort((a, b) => a - b);
  const at = (share: number): number => means[Math.round(share * (RESAMPLES - 1))] as number;
  return { low: at(0.025), high: at(0.975) };
}

function resampled(units: readonly Unit[], random: Random): number {
  let sum = 0;
  let n = 0;
  for (let i = 0; i < units.length; i++) {
    const unit = units[Math.floor(random.next() * units.length)] as Unit;
    sum += unit.sum;
    n += unit.n;
  }
  return sum / n;
}
