import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "../../src/lib/random.js";

const take = (seed: string | number, n: number) => {
  const random = createRandom(seed);
  return Array.from({ length: n }, () => random.next());
};

describe("createRandom", () => {
  it("repeats for one seed and differs between seeds that are close", () => {
    expect(take("task-1/rollout-0", 20)).toEqual(take("task-1/rollout-0", 20));
    expect(take(7, 5)).toEqual(take("7", 5));
    const firsts = new Set(Array.from({ length: 1000 }, (_, i) => take(i, 1)[0]));
    expect(firsts.size).toBe(1000);
  });

  it("keeps the sequence it had in the first release, so that recorded runs repeat", () => {
    const random = createRandom("agemem");
    expect(Array.from({ length: 6 }, () => random.integer(1000))).toEqual([810, 626, 563, 440, 469, 747]);
  });

  it("spreads evenly over [0, 1)", () => {
    const counts = new Array<number>(10).fill(0);
    for (const value of take("even", 20_000)) counts[Math.floor(value * 10)]! += 1;
    // 2,000 expected in each, standard deviation 42.
    for (const count of counts) expect(Math.abs(count - 2000)).toBeLessThan(250);
  });

  it("shuffles without losing or changing anything", async () => {
    await fc.assert(
      fc.property(fc.array(fc.integer()), fc.string(), (items, seed) => {
        const before = [...items];
        const shuffled = createRandom(seed).shuffle(items);
        expect(items).toEqual(before);
        expect([...shuffled].sort()).toEqual([...items].sort());
      }),
    );
  });

  it("draws integers below n and picks every item sooner or later", () => {
    const random = createRandom(3);
    expect(new Set(Array.from({ length: 200 }, () => random.integer(4)))).toEqual(new Set([0, 1, 2, 3]));
    expect(new Set(Array.from({ length: 200 }, () => random.pick(["a", "b"])))).toEqual(new Set(["a", "b"]));
  });

  it("has nothing to pick from an empty array", () => {
    expect(() => createRandom(1).pick([])).toThrow(RangeError);
  });
});
