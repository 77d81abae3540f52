import { describe, expect, it } from "vitest";
import { SmallColumn, WholeColumn } from "../../../src/store/vectors/columns.js";

describe("SmallColumn", () => {
  const numbers = [0, 1, 65_534, 65_535, 65_536, 70_000, 2 ** 31 - 1, 5];

  it("keeps every number when it widens", () => {
    const column = new SmallColumn();
    for (let i = 0; i < 200; i++) column.push(i);
    expect(column.bytesEach).toBe(2);
    for (const number of numbers) column.push(number);
    expect(column.bytesEach).toBe(4);
    const all = [...Array.from({ length: 200 }, (_, i) => i), ...numbers];
    expect(Array.from({ length: column.length }, (_, i) => column.at(i))).toEqual(all);
    expect([...column.numbers(0, column.length)]).toEqual(all);
    expect(Array.from(column.view())).toEqual(all);
  });

  it("takes over saved numbers, small or not", () => {
    for (const saved of [[1, 2, 3], numbers]) {
      const column = new SmallColumn();
      column.replace(Int32Array.from(saved));
      column.push(7);
      expect([...column.numbers(0, column.length)]).toEqual([...saved, 7]);
    }
  });
});

describe("WholeColumn", () => {
  it("keeps whole numbers and infinity when it widens", () => {
    const column = new WholeColumn();
    const numbers = [3, Number.POSITIVE_INFINITY, 2 ** 32 - 2, 2 ** 32, 2 ** 53 - 1];
    for (const number of numbers) column.push(number);
    expect([...column.numbers(0, column.length)]).toEqual(numbers);
    expect(column.bytesEach).toBe(8);
  });
});
