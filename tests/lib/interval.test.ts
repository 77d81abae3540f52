import { describe, expect, it } from "vitest";
import { wilson } from "../../src/lib/interval.js";

describe("wilson", () => {
  it("agrees with published values", () => {
    const rounded = (hits: number, of: number) => wilson(hits, of).map((x) => Number(x.toFixed(3)));
    expect(rounded(9, 10)).toEqual([0.596, 0.982]);
    expect(rounded(0, 20)).toEqual([0, 0.161]);
    expect(rounded(20, 20)).toEqual([0.839, 1]);
  });

  it("knows nothing without a count", () => {
    expect(wilson(0, 0)).toEqual([0, 1]);
  });
});
