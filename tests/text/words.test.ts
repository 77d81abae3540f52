/** One reading of words for keyword search, lexical vectors, the judge and the verdicts of a trace. */
import { describe, expect, it } from "vitest";
import { contentStems, STOP_WORDS, stem, words, wordsInCase } from "../../src/text/words.js";

describe("words", () => {
  it("are lower-cased and split at everything but letters, marks and digits", () => {
    expect(words("Don't re-use GPT-4o!")).toEqual(["don", "t", "re", "use", "gpt", "4o"]);
    expect(words("Žluťoučký कमल e\u0301té")).toEqual(["zlutoucky", "कमल", "ete"]);
    expect(words("… — ?!")).toEqual([]);
  });

  it("are the same for all ways to write them", () => {
    expect(words("Zu\u0308rich ﬁsh Ｔｏｋｙｏ ①")).toEqual(words("Zürich fish Tokyo 1"));
    expect(words("서울".normalize("NFD"))).toEqual(["서울"]);
  });

  it("keep their case where it is asked for", () => {
    expect(wordsInCase("Zoë’s BBC")).toEqual(["Zoe", "s", "BBC"]);
  });
});

describe("stem", () => {
  it.each([
    ["bought", "buying"],
    ["lives", "live"],
    ["leaves", "leave"],
    ["children", "kid"],
    ["walnuts", "walnut"],
  ])("joins %s and %s", (a, b) => {
    expect(stem(a)).toBe(stem(b));
  });

  it("leaves ids, numbers and other scripts as they are", () => {
    for (const word of ["m4xs", "1990s", "книги", "3rds"]) expect(stem(word)).toBe(word);
  });
});

describe("contentStems", () => {
  it("leaves stop words out, in order and with repetition", () => {
    expect(contentStems("The cat and the cats of Oslo")).toEqual(["cat", "cat", "oslo"]);
    expect([...STOP_WORDS].every((word) => contentStems(word).length === 0)).toBe(true);
  });

  it("cuts scripts without spaces into pairs", () => {
    expect(contentStems("東京都に住む")).toEqual(["東京", "京都", "都に", "に住", "住む"]);
    expect(contentStems("猫 gpt4東京")).toEqual(["猫", "gpt4", "東京"]);
  });
});
