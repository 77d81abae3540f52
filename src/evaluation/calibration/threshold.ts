/**
 * From scored pairs to a threshold: the one that finds most at a stated precision, and how it does on pairs it was not
 * chosen on. Pure.
 */
import { InputError } from "../../errors.js";

/** Two texts as an embedding sees them. */
export interface ScoredPair {
  /** Cosine similarity. */
  score: number;
  /** What a threshold should say: at or above it. */
  match: boolean;
  /** Pairs of one group share wording; a threshold is tested on groups it was not chosen on. */
  group: string;
}

/** A threshold and what it does. */
interface Threshold {
  threshold: number;
  /** Of the pairs at or above it, the share that match; 1 when there are none. */
  precision: number;
  /** Of the pairs that match, the share at or above it. */
  recall: number;
}

/** A threshold chosen on all pairs, with what its kind of choice does on groups that were left out. */
export interface Calibration extends Threshold {
  /** Chosen without a group and tested on it, over all groups. */
  heldOut: { precision: number; recall: number };
  /** Whether the wanted precision can be had at all on these pairs. */
  reached: boolean;
  pairs: { match: number; other: number };
}

/**
 * Chooses the threshold with the highest recall among those that reach `precision`; when none does, the one with the
 * highest precision. Steps of 0.01, because a finer one would only fit the sample.
 *
 * @param precision wanted share of right matches, above 0, at most 1
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

/** What a given threshold does on pairs. */
export function measure(pairs: readonly ScoredPair[], threshold: number): Threshold {
  return { threshold, ...rates(count(pairs, threshold)) };
}

function choose(pairs: readonly ScoredPair[], precision: number): Threshold {
  const steps = Array.from({ length: 101 }, (_, i) => measure(pairs, i / 100));
  const found = steps.filter((step) => step.recall > 0);
  const enough = found.filter((step) => step.precision >= precision);
  // Among equal ones the highest: it errs on the side of leaving things alone.
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
