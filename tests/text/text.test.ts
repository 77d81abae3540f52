import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  collapseSpace,
  spacedWords,
  splitSentences,
  stripEnd,
  stripStart,
  truncate,
  withoutFence,
} from "../../src/text/text.js";

describe("splitSentences", () => {
  it("splits at ends of sentences, not at decimal points", () => {
    expect(splitSentences("It costs 3.50 euros. Buy it!  Or not?\nNew line.")).toEqual([
      "It costs 3.50 euros.",
      "Buy it!",
      "Or not?",
      "New line.",
    ]);
  });

  it("knows other scripts", () => {
    expect(splitSentences("我喜欢茶。她喜欢咖啡。")).toEqual(["我喜欢茶。", "她喜欢咖啡。"]);
  });

  it("finds none in blank text", () => {
    expect(splitSentences("")).toEqual([]);
    expect(splitSentences(" \n\t")).toEqual([]);
  });

  it("loses no character but white space", async () => {
    await fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        const bare = (s: string) => s.replace(/\s/g, "");
        expect(bare(splitSentences(text).join(""))).toBe(bare(text));
      }),
    );
  });
});

describe("collapseSpace", () => {
  it("makes each run of white space one space", () => {
    expect(collapseSpace("  a\n\n b\u00a0\tc ")).toBe("a b c");
  });
});

describe("truncate", () => {
  it("leaves short text alone and marks a cut", () => {
    expect(truncate("memory", 6)).toBe("memory");
    expect(truncate("memories", 6)).toBe("memor…");
  });

  it("never exceeds the limit and never cuts a character in two", async () => {
    await fc.assert(
      fc.property(
        fc.string({ unit: "binary", maxLength: 80 }),
        fc.integer({ min: 1, max: 40 }),
        (text, max) => {
          const cut = truncate(text, max);
          expect([...cut].length).toBeLessThanOrEqual(max);
          expect(Buffer.from(cut).toString()).toBe(cut);
        },
      ),
    );
    expect(truncate("👩👩👩", 2)).toBe("👩…");
  });
});

describe("stripping", () => {
  it("takes characters off the ends, one by one, whole code points", () => {
    expect(stripEnd("What?! 😀😀", /[\s?!😀]/u)).toBe("What");
    expect(stripStart("😀 «What", /[^\p{L}]/u)).toBe("What");
    expect(stripEnd("...", /\./)).toBe("");
    expect(stripStart("", /\./)).toBe("");
  });

  it("splits into words with the space before them, and joins to the text", () => {
    expect(spacedWords("  a bc\n d \n")).toEqual(["  a", " bc", "\n d", " \n"]);
    expect(spacedWords("")).toEqual([]);
    expect(spacedWords("   ")).toEqual(["   "]);
  });

  it("takes a code fence off", () => {
    for (const text of ['```json\n{"a": 1}\n```', '```\n{"a": 1}```', '{"a": 1}', '  {"a": 1}  '])
      expect(withoutFence(text)).toBe('{"a": 1}');
  });
});
