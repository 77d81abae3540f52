/** Packed lines: what is read back equals what was written, and nothing stands twice. */
import { describe, expect, it } from "vitest";
import { createRandom } from "../../src/lib/random.js";
import { packRollout, Unpacker } from "../../src/trajectory/recording/packing.js";
import { copyTokens, packTokens } from "../../src/trajectory/recording/token-copies.js";
import { step, trajectory } from "./records.js";

describe("token copies", () => {
  it("give back any list, for 500 random pairs", () => {
    for (let seed = 0; seed < 500; seed++) {
      const random = createRandom(`copies/${seed}`);
      const ids = (n: number) => Array.from({ length: n }, () => random.integer(seed % 2 ? 3 : 1000));
      const base = ids(random.integer(200));
      const from = random.integer(base.length + 1);
      const list = [...ids(random.integer(9)), ...base.slice(from), ...ids(4), ...base.slice(0, from)];
      expect(copyTokens(base, packTokens(base, list)), `seed ${seed}`).toEqual(list);
    }
  });
  it("find what an edit left in place", () => {
    const base = Array.from({ length: 1000 }, (_, i) => i);
    const list = [7, ...base.slice(1, 400), 5000, ...base.slice(600)];
    expect(packTokens(base, list)).toEqual([7, [1, 399], 5000, [600, 400]]);
  });
  it("tell pieces apart whose hashes are equal: among so many there are a few", () => {
    const random = createRandom("copies/long");
    const ids = () => Array.from({ length: 400_000 }, () => random.integer(2 ** 31));
    const [base, list] = [ids(), ids()];
    const back = copyTokens(base, packTokens(base, list));
    expect(back.findIndex((id, at) => id !== list[at])).toBe(-1);
    expect(back).toHaveLength(list.length);
  });
  it("refuse a copy of what is not there", () => {
    expect(() => copyTokens([1, 2], [[1, 2]])).toThrow(RangeError);
  });
});

describe("packed lines", () => {
  const long = { role: "user" as const, content: "x".repeat(1000), id: "m1" };
  const records = [
    step({ messages: [long] }),
    step({ step_index: 1, messages: [long, { role: "assistant", content: "yes" }, long] }),
    trajectory({ n_steps: 2 }),
  ];
  it("are read back to the field", () => {
    const lines = JSON.parse(JSON.stringify(packRollout(records))) as unknown[];
    expect(JSON.stringify(lines).split(long.content)).toHaveLength(2);
    const unpacker = new Unpacker();
    expect(lines.map((line) => unpacker.unpack(line, "here"))).toEqual(JSON.parse(JSON.stringify(records)));
  });
  it("need the lines before them", () => {
    const [, second] = packRollout(records);
    expect(() => new Unpacker().unpack(second, "run.jsonl:2")).toThrow(
      /run.jsonl:2: there is no message number 0/,
    );
  });
});
