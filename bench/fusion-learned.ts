/**
 * A linear model of both scores of a hybrid search, fitted so that the turns with the evidence come first.
 *
 * The loss is the cross-entropy between the evidence and the softmax of the candidates' scores; it is convex, so gradient
 * descent with momentum finds the one minimum. Leaves out the scores and the folds (`fusion.ts`).
 */
import type { Scored } from "./fusion.js";

const STEPS = 150;
const RATE = 2;
const MOMENTUM = 0.9;
/** Keeps the weights of figures small that say little. */
const DECAY = 1e-3;

/** Fits the model; returns what scores the candidates of a question. */
export function fitted(questions: readonly Scored[], byKinds: boolean): (question: Scored) => number[] {
  const rows = questions.map((question) => ({
    features: featuresOf(question, byKinds),
    wanted: question.keys.map((key) => (question.evidence.has(key) ? 1 : 0) as number),
  }));
  const told = rows.filter(({ wanted }) => wanted.some((one) => one > 0));
  const size = told[0]?.features[0]?.length ?? 0;
  const weights = new Array<number>(size).fill(3);
  const speed = new Array<number>(size).fill(0);
  for (let step = 0; step < STEPS; step++) {
    const gradient = weights.map((weight) => 2 * DECAY * weight);
    for (const { features, wanted } of told) addGradient(gradient, weights, features, wanted, told.length);
    for (let j = 0; j < size; j++) {
      speed[j] = MOMENTUM * (speed[j] as number) - RATE * (gradient[j] as number);
      weights[j] = (weights[j] as number) + (speed[j] as number);
    }
  }
  return (question) => featuresOf(question, byKinds).map((row) => dot(row, weights));
}

function addGradient(
  gradient: number[],
  weights: readonly number[],
  features: readonly number[][],
  wanted: readonly number[],
  questions: number,
): void {
  const scores = features.map((row) => dot(row, weights));
  const most = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - most));
  const all = powers.reduce((sum, one) => sum + one, 0);
  const right = wanted.reduce((sum, one) => sum + one, 0);
  features.forEach((row, i) => {
    const error = ((powers[i] as number) / all - (wanted[i] as number) / right) / questions;
    for (let j = 0; j < row.length; j++) gradient[j] = (gradient[j] as number) + error * (row[j] as number);
  });
}

/** Both scores from 0 to 1, and with `byKinds` their products with what is known of the question. */
function featuresOf({ keyword, cosine, kinds }: Scored, byKinds: boolean): number[][] {
  const most = Math.max(...keyword, 1e-9);
  const [low, high] = [Math.min(...cosine), Math.max(...cosine)];
  const figures = byKinds ? [kinds.terms / 10, kinds.coverage / 3, kinds.lead, kinds.agreement / 10] : [];
  return keyword.map((score, i) => {
    const both = [score / most, high > low ? ((cosine[i] as number) - low) / (high - low) : 1];
    return [...both, ...figures.flatMap((figure) => both.map((one) => one * figure))];
  });
}

function dot(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}
