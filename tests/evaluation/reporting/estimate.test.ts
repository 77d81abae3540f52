/** Intervals of means: over episodes, and over groups of them. */
import { expect, it } from "vitest";
import { estimate, type Sample } from "../../../src/evaluation/reporting/estimate.js";

const of = (groups: Record<string, readonly number[]>): Sample[] =>
  Object.entries(groups).flatMap(([group, values]) => values.map((value) => ({ group, value })));
const many = (n: number, value: number): number[] => new Array(n).fill(value);

it("groups that agree within themselves make a mean much less certain than its episodes suggest", () => {
  const { mean, low, high, grouped } = estimate(
    of({ a: many(50, 1), b: many(50, 0), c: many(50, 1), d: many(50, 0) }),
  );
  expect(mean).toBe(0.5);
  expect(high - low).toBeLessThan(0.15);
  expect(grouped).toEqual({ groups: 4, low: 0, high: 1 });
});

it("weighs groups by their size, and gives the same figures each time", () => {
  const samples = of({ a: [1, 1, 1, 0], b: [0, 0] });
  expect(estimate(samples)).toEqual(estimate(samples));
  expect(estimate(samples)).toMatchObject({ n: 6, mean: 0.5, grouped: { groups: 2, low: 0, high: 0.75 } });
});

it("has no interval over groups where there is one group, or every episode is one", () => {
  expect(estimate(of({ a: [0, 1, 1] })).grouped).toBeNull();
  expect(estimate(of({ a: [0], b: [1], c: [1] })).grouped).toBeNull();
  expect(estimate(of({ a: [1] }))).toEqual({ n: 1, mean: 1, low: 1, high: 1, grouped: null });
  expect(estimate([])).toMatchObject({ n: 0, mean: 0 });
});
