/** The lexical rule of verdicts: what counts as saying a fact, and what must not. */
import { describe, expect, it } from "vitest";
import { createFactMatcher } from "../../src/text/fact-match.js";

const { says, usable } = createFactMatcher();

describe("a text says a fact", () => {
  it.each([
    ["I live in Porto and I work as a translator.", "User lives in Porto."],
    ["User's sister Maya lives in Lyon.", "Maya lives in Lyon"],
    ["Nora is a translator. She works in Porto for Casa Azul.", "Nora works for Casa Azul in Porto."],
    ['{"content":"User\'s flight AT 1873 departs at 07:25."}', "The flight AT 1873 departs at 07:25"],
    ["The answer is Porto.", "Porto"],
    ["She does not eat meat.", "She does not eat meat"],
    ["Nora does not eat meat. She lives in Porto near the river.", "She lives in Porto"],
    [
      "In 1978 William Winter, Dr. Cora Norman, Dr. Aubrey Lucas and Dr. Noel Polk had the idea.",
      "The idea was had by William Winter, Dr. Cora Norman, Dr. Aubrey Lucas, and Dr. Noel Polk in 1978.",
    ],
  ])("%s | %s", (text, fact) => expect(says(text, fact)).toBe(true));

  it.each([
    ["User moved to Lisbon.", "User lives in Porto."],
    ["User no longer lives in Porto.", "User lives in Porto."],
    ["I don't live in Porto.", "User lives in Porto."],
    ["User lives in Porto.", "User does not live in Porto."],
    ["The flight AT 1874 departs at 07:25.", "The flight AT 1873 departs at 07:25"],
    ["Porto is old. A b c. It rains. The sea. Nora lives far away.", "Nora lives in Porto"],
    ["Who has the spare key to my flat? I forgot.", "Daniel has the spare key to the flat"],
    ["Please forget what I said about Daniel and the spare key.", "Daniel has the spare key to the flat"],
    ["Daniel asked for the spare key.", "Daniel has the spare key to the flat"],
    ["Does Maya live in Lyon?", "Maya lives in Lyon"],
    ["", "Porto"],
    ["yes, yes", "yes"],
  ])("not: %s | %s", (text, fact) => expect(says(text, fact)).toBe(false));

  it("knows facts that no text can hold", () => {
    expect(["yes", "No", "the", ""].map(usable)).toEqual([false, false, false, false]);
    expect(["Porto", "1986", "not in Porto"].map(usable)).toEqual([true, true, true]);
  });
});
