import { describe, expect, it } from "vitest";
import { calibrate, measure, type ScoredPair } from "../../../src/evaluation/calibration/threshold.js";

const pair = (score: number, match: boolean, group = "a"): ScoredPair => ({ score, match, group });

describe("calibrate", () => {
  it("takes the threshold with most recall that reaches the precision", () => {
    const pairs = ["a", "b"].flatMap((group) => [
      pair(0.95, true, group),
      pair(0.85, true, group),
      pair(0.75, true, group),
      pair(0.8, false, group),
      pair(0.2, false, group),
    ]);
    const strict = calibrate(pairs, 1);
    expect(strict).toMatchObject({ threshold: 0.85, precision: 1, recall: 2 / 3, reached: true });
    expect(strict.heldOut).toEqual({ precision: 1, recall: 2 / 3 });
    expect(calibrate(pairs, 0.7)).toMatchObject({ threshold: 0.75, precision: 0.75, recall: 1 });
  });

  it("tests each group by a threshold that was chosen without it", () => {
    const pairs = [
      pair(0.9, true, "easy"),
      pair(0.1, false, "easy"),
      pair(0.5, true, "hard"),
      pair(0.85, false, "hard"),
    ];
    // Chosen on "easy" alone, 0.9 finds nothing in "hard"; chosen on "hard" alone, nothing has that precision.
    const { heldOut, pairs: counted } = calibrate(pairs, 1);
    expect(counted).toEqual({ match: 2, other: 2 });
    expect(heldOut.recall).toBeLessThan(1);
  });

  it("says when the precision cannot be had", () => {
    const pairs = ["a", "b"].flatMap((group) => [pair(0.5, true, group), pair(0.9, false, group)]);
    expect(calibrate(pairs, 0.95)).toMatchObject({ reached: false, precision: 0.5, recall: 1 });
  });

  it("refuses pairs that decide nothing", () => {
    for (const pairs of [[], [pair(1, true, "a"), pair(1, true, "b")], [pair(1, true), pair(0, false)]]) {
      expect(() => calibrate(pairs, 0.95)).toThrow(
        expect.objectContaining({ code: "AGEMEM_INPUT_ARGUMENT" }),
      );
    }
  });

  it("measures a given threshold", () => {
    const pairs = [pair(0.9, true), pair(0.9, false), pair(0.1, true)];
    expect(measure(pairs, 0.5)).toEqual({ threshold: 0.5, precision: 0.5, recall: 0.5 });
    expect(measure(pairs, 0.95)).toEqual({ threshold: 0.95, precision: 1, recall: 0 });
  });
});
