import { describe, expect, it } from "vitest";
import { SITUATION_KINDS } from "../../../src/evaluation/operations/situation.js";
import { makeSituations } from "../../../src/evaluation/operations/situations.js";

const dev = makeSituations({ split: "dev" });
const test = makeSituations({ split: "test" });

/** What the user says and what is stored, which is all a model could have learned by heart. */
const textsOf = (situations: typeof dev) =>
  situations.flatMap(({ memories, turns }) => [
    ...memories.map(({ content }) => content),
    ...turns.map(({ user }) => user),
  ]);

describe("situations", () => {
  it("are 180 per split, twelve of each kind, each with an id of its own", () => {
    for (const situations of [dev, test]) {
      expect(new Set(situations.map(({ id }) => id)).size).toBe(180);
      for (const kind of Object.keys(SITUATION_KINDS)) {
        expect(situations.filter((each) => each.kind === kind)).toHaveLength(12);
      }
    }
  });

  it("repeat with the seed and change with it", () => {
    expect(makeSituations({ split: "test" })).toEqual(test);
    expect(makeSituations({ split: "test", seed: 1 })).not.toEqual(test);
    const longer = makeSituations({ split: "test", perKind: 13 });
    expect(longer.filter(({ id }) => test.some((each) => each.id === id))).toEqual(test);
  });

  it("of the held-out split share no stored memory and no wording of a fact with the others", () => {
    const seen = new Set(textsOf(dev));
    const common = new Set(textsOf(test).filter((text) => seen.has(text)));
    // Only the greeting before an unseen memory, and the chatter that fills a context.
    expect([...common].every((text) => text === "Hello!" || text.endsWith("?"))).toBe(true);
    const memories = new Set(dev.flatMap(({ memories }) => memories.map(({ content }) => content)));
    expect(test.flatMap(({ memories }) => memories).filter(({ content }) => memories.has(content))).toEqual(
      [],
    );
  });

  it("are refused in numbers that make no sense", () => {
    expect(() => makeSituations({ split: "dev", perKind: 0 })).toThrow(
      expect.objectContaining({ code: "AGEMEM_INPUT_ARGUMENT" }),
    );
  });
});
