import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ADVANTAGE_PRESETS, broadcast, groupAdvantages, withAdvantages } from "../src/grpo.js";
import { trajectory } from "./trajectory/records.js";

describe("groupAdvantages (AgeMem, eq. 5)", () => {
  it("matches numbers worked out by hand: sample standard deviation", () => {
    // r = 1, 0, 0, 1, 0.5, -1, 0, 0.5: mean 2/8 = 0.25; squares .5625 .0625 .0625 .5625 .0625 1.5625 .0625 .0625 = 3
    // sample variance 3/7, std 0.65465367; A_1 = 0.75 / 0.65465367 = 1.14564392
    const group = groupAdvantages([1, 0, 0, 1, 0.5, -1, 0, 0.5], { eps: 0 });
    expect(group.mean).toBe(0.25);
    expect(group.std).toBeCloseTo(0.654653671, 9);
    expect(group.advantages[0]).toBeCloseTo(1.145643924, 9);
    expect(group.advantages[5]).toBeCloseTo(-1.90940654, 8);
    expect(group).toMatchObject({ n: 8, zeroVariance: false });
  });

  it("adds eps to the deviation, 1e-6 by default", () => {
    // r = 0, 2: mean 1, sample std sqrt(2)
    expect(groupAdvantages([0, 2]).advantages[1]).toBeCloseTo(1 / (Math.SQRT2 + 1e-6), 12);
    expect(groupAdvantages([0, 2], { eps: 0.5 }).advantages[1]).toBeCloseTo(1 / (Math.SQRT2 + 0.5), 12);
  });

  it("offers the divisors of other trainers under their names", () => {
    expect(groupAdvantages([0, 2], "art").advantages[1]).toBeCloseTo(1 / (1 + 1e-6), 12);
    expect(groupAdvantages([0, 2], "trl").advantages[1]).toBeCloseTo(1 / (Math.SQRT2 + 1e-4), 12);
    expect(groupAdvantages([0, 2], "prime-rl").advantages).toEqual([-1, 1]);
    expect(groupAdvantages([0, 2], "trinity")).toEqual(groupAdvantages([0, 2]));
    expect(ADVANTAGE_PRESETS["trl-async"]).toEqual({ std: "population", eps: 1e-8 });
  });

  it("takes mean and deviation over samples where told to", () => {
    // r = 0 once, r = 1 three times: mean 3/4; squares 9/16 + 3/16 = 3/4 over 3: deviation 1/2
    const group = groupAdvantages([0, 1, null], { eps: 0, over: "samples" }, [1, 3, 5]);
    expect(group).toMatchObject({ mean: 0.75, std: 0.5, n: 4, advantages: [-1.5, 0.5, null] });
    expect(groupAdvantages([0, 1], { eps: 0, over: "samples" }).mean).toBe(0.5);
    expect(groupAdvantages([0, 1], { eps: 0 }, [1, 3]).mean).toBe(0.5);
  });

  it("marks a group of exactly equal rewards, where the float deviation is not 0", () => {
    const rewards = new Array<number>(3).fill(0.1 + 0.2);
    expect(groupAdvantages(rewards)).toMatchObject({ advantages: [0, 0, 0], std: 0, zeroVariance: true });
    expect(groupAdvantages([0.3, 0.1 + 0.2]).zeroVariance).toBe(false);
    expect(groupAdvantages([0.7])).toMatchObject({ advantages: [0], zeroVariance: true });
  });

  it("gives unscored rollouts null and no vote", () => {
    const group = groupAdvantages([null, 0, 2, null], { eps: 0 });
    expect(group.advantages).toEqual([
      null,
      expect.closeTo(-Math.SQRT1_2, 12),
      expect.closeTo(Math.SQRT1_2, 12),
      null,
    ]);
    expect(group).toMatchObject({ mean: 1, n: 2 });
    expect(groupAdvantages([null, null])).toMatchObject({
      advantages: [null, null],
      mean: null,
      std: null,
      n: 0,
    });
  });

  it("refuses what is not a number", () => {
    expect(() => groupAdvantages([1, Number.NaN])).toThrowError(
      expect.objectContaining({ code: "AGEMEM_INPUT_ARGUMENT" }),
    );
    expect(() => groupAdvantages([1, 2], { eps: -1 })).toThrowError(
      expect.objectContaining({ code: "AGEMEM_INPUT_ARGUMENT" }),
    );
  });

  const rewards = fc.array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: 2, maxLength: 16 });

  it("sums to 0, keeps the order, and is blind to permutation, shift and (without eps) scale", () => {
    void fc.assert(
      fc.property(rewards, fc.double({ min: 0.5, max: 4, noNaN: true }), (group, factor) => {
        const { advantages, zeroVariance, std } = groupAdvantages(group, { eps: 0 });
        const sum = advantages.reduce<number>((total, a) => total + (a ?? 0), 0);
        // A deviation near the rounding error of the rewards leaves nothing exact to compare.
        if (zeroVariance || (std ?? 0) < 1e-6) return;
        expect(Math.abs(sum)).toBeLessThan(1e-8);
        const reversed = groupAdvantages([...group].reverse(), { eps: 0 }).advantages.reverse();
        const scaled = groupAdvantages(
          group.map((r) => r * factor + 1),
          { eps: 0 },
        ).advantages;
        for (const [i, a] of advantages.entries()) {
          expect(reversed[i]).toBeCloseTo(a ?? Number.NaN, 6);
          expect(scaled[i]).toBeCloseTo(a ?? Number.NaN, 6);
        }
      }),
      { seed: 42 },
    );
  });
});

describe("broadcast (AgeMem, eq. 6)", () => {
  it("puts one advantage on every step", () => {
    expect(broadcast(-0.5, 3)).toEqual([-0.5, -0.5, -0.5]);
    expect(broadcast(null, 2)).toEqual([null, null]);
  });
});

describe("withAdvantages", () => {
  const scored = (id: string, reward: number | null, over = {}) =>
    trajectory({ rollout_id: id, reward, group_id: "g", ...over });

  it("works group by group and leaves the records as they were", () => {
    const records = [scored("a", 0), scored("x", 5, { group_id: "h" }), scored("b", 2), scored("c", null)];
    const out = withAdvantages(records, { eps: 0 });
    expect(out.map((r) => r.advantage)).toEqual([
      expect.closeTo(-Math.SQRT1_2, 12),
      0,
      expect.closeTo(Math.SQRT1_2, 12),
      null,
    ]);
    expect(out[0]?.advantage_meta).toEqual({
      mean: 1,
      std: Math.SQRT2,
      std_kind: "sample",
      eps: 0,
      n: 2,
      zero_variance: false,
    });
    expect(out[1]?.advantage_meta?.zero_variance).toBe(true);
    expect(out[3]?.advantage_meta).toBeNull();
    expect(records[0]?.advantage).toBeNull();
  });

  it("lets a rollout that was tried again vote once, in whichever order its attempts stand", () => {
    const first = scored("a", 9, { attempt: 1 });
    const second = scored("a", 0, { attempt: 2 });
    for (const records of [
      [first, second, scored("b", 2)],
      [second, scored("b", 2), first],
    ]) {
      const byReward = new Map(withAdvantages(records, { eps: 0 }).map((r) => [r.reward, r.advantage]));
      expect(byReward.get(9)).toBeNull();
      expect(byReward.get(0)).toBeCloseTo(-Math.SQRT1_2, 12);
    }
  });

  it("keeps rollouts outside of any group apart", () => {
    const out = withAdvantages([scored("a", 0, { group_id: null }), scored("b", 2, { group_id: null })]);
    expect(out.map((r) => r.advantage)).toEqual([0, 0]);
  });
});
