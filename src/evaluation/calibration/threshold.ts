/**
 * Chooses a threshold from scored pairs: the one that finds most at a given precision, with its results on pairs that
 * it was not chosen on. Pure.
 */
import { InputError } from "../../errors.js";

/** Two texts as an embedding sees them. */
export interface ScoredPair {
  /** Cosine similarity. */
  score: number;
  /** Whether the score should be at or above the threshold. */
  match: boolean;
  /** Pairs in a group share wording, so a threshold is tested on groups that it was not chosen on. */
  group: string;
}

/** A threshold and its results. */
interface Threshold {
  threshold: number;
  /** Share of the pairs at or above it that match; 1 when there are none. */
  precision: number;
  /** Share of the matching pairs that are at or above it. */
  recall: number;
}

/** A threshold chosen on all pairs, with the results of thresholds chosen in the same way without one group each. */
export interface Calibration extends Threshold {
  /** Each group tested with the threshold chosen on the others, over all groups. */
  heldOut: { precision: number; recall: number };
  /** Whether the wanted precision can be reached on these pairs. */
  reached: boolean;
  pairs: { match: number; other: number };
}

/**
 * Chooses the threshold with the highest recall among those that reach `precision`, or else the one with the highest
 * precision. In steps of 0.01, because finer ones would only fit the sample.
 *
 * @param precision wanted share of correct matches, above 0 and at most 1
 * @throws InputError `AGEMEM_INPUT_ARGUMENT` without pairs of both kinds in at least two groups
 * @example
 * calibrate(pairs, 0.95).threshold;
 */
export function calibrate(pairs: readonly ScoredPair[], precision: number): Calibration {
  const groups = [...new Set(pairs.map(({ group }) => group))];
  const match = pairs.filter((pair) => pair.match).length;
  if (groups.length < 2 || match === 0 || match === pairs.length) {
    throw new InputError("AGEMEM_INPUT_ARGUMENT", "Too few pairs to choose a threshold by", {
      remedy: "Give matching and other pairs in at least two groups.",
      details: { groups: groups.length, match, other: pairs.length - match },
    });
  }
  const chosen = choose(pairs, precision);
  const tested = groups.map((group) => {
    const { threshold } = choose(
      pairs.filter((pair) => pair.group !== group),
      precision,
    );
    return count(
      pairs.filter((pair) => pair.group === group),
      threshold,
    );
  });
  const sum = (key: keyof Counts): number => tested.reduce((total, counts) => total + counts[key], 0);
  return {
    ...chosen,
    heldOut: rates({ found: sum("found"), right: sum("right"), match: sum("match") }),
    reached: chosen.precision >= precision,
    pairs: { match, other: pairs.length - match },
  };
}

/** Results of a given threshold on some pairs. */
export function measure(pairs: readonly ScoredPair[], threshold: number): Threshold {
  return { threshold, ...rates(count(pairs, threshold)) };
}

function choose(pairs: readonly ScoredPair[], precision: number): Threshold {
  const steps = Array.from({ length: 101 }, (_, i) => measure(pairs, i / 100));
  const found = steps.filter((step) => step.recall > 0);
  const enough = found.filter((step) => step.precision >= precision);
  // Of equally good ones the highest, which errs on the side of changing nothing.
  const better = (a: Threshold, b: Threshold): boolean =>
    enough.length > 0 ? b.recall >= a.recall : b.precision >= a.precision;
  const [first, ...rest] = enough.length > 0 ? enough : found;
  return rest.reduce((best, step) => (better(best, step) ? step : best), first ?? measure(pairs, 1));
}

interface Counts {
  found: number;
  right: number;
  match: number;
}

function count(pairs: readonly ScoredPair[], threshold: number): Counts {
  const found = pairs.filter(({ score }) => score >= threshold);
  return {
    found: found.length,
    right: found.filter(({ match }) => match).length,
    match: pairs.filter(({ match }) => match).length,
  };
}

function rates({ found, right, match }: Counts): { precision: number; recall: number } {
  return { precision: found === 0 ? 1 : right / found, recall: match === 0 ? 0 : right / match };
}
