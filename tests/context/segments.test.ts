import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutMarker, isOnlyMarkers, markersIn, segmentText } from "../../src/context/segments.js";

const texts = (text: string) => segmentText(text).map((segment) => segment.text);

describe("segmentText", () => {
  it("cuts prose into sentences, paragraph by paragraph", () => {
    expect(texts("One. Two!\n\nThree?  Four.")).toEqual(["One.", "Two!", "Three?", "Four."]);
  });
  it("joins the lines of wrapped prose", () => {
    const wrapped =
      "The committee met on Tuesday to discuss the budget for the\ncoming year. It did not reach a decision before the evening\nended.";
    expect(texts(wrapped)).toEqual([
      "The committee met on Tuesday to discuss the budget for the\ncoming year.",
      "It did not reach a decision before the evening\nended.",
    ]);
  });
  it("cuts logs, lists, tables and code by line", () => {
    const log =
      "2026-11-20 10:00 INFO a. b. c\n2026-11-20 10:01 WARN d\n- item. One.\n| a | b |\nconst x = 1;";
    expect(texts(log)).toEqual(log.split("\n"));
  });
  it("keeps markers, frames and memories apart", () => {
    const marker = cutMarker("e1", 2, 3);
    expect(marker).toBe("[filtered 3 passages, e1#2]");
    const text = `A. ${marker} B.\n<retrieved_memories query="q" count="1">\n<memory id="m" type="t">One. Two.</memory>\n</retrieved_memories>`;
    expect(segmentText(text).map((s) => [s.kind, s.text])).toEqual([
      ["sentence", "A."],
      ["marker", marker],
      ["sentence", "B."],
      ["frame", '<retrieved_memories query="q" count="1">'],
      ["line", '<memory id="m" type="t">One. Two.</memory>'],
      ["frame", "</retrieved_memories>"],
    ]);
    expect(markersIn(text)).toEqual([{ marker, editId: "e1" }]);
    expect(isOnlyMarkers(` ${marker}\n`)).toBe(true);
    expect(isOnlyMarkers(`${marker} x`)).toBe(false);
    expect(isOnlyMarkers("")).toBe(false);
  });
  it("does not take a marker or tag inside a memory for one", () => {
    const memory = '<memory id="m" type="t">See [filtered 1 passage, e1#1] there.</memory>';
    expect(segmentText(memory).map((s) => s.text)).toEqual([memory]);
  });
  it("handles other scripts and empty text", () => {
    expect(texts("今日は雨です。明日は晴れます。")).toEqual(["今日は雨です。", "明日は晴れます。"]);
    expect(texts(" \n \n")).toEqual([]);
  });

  it("gives ordered, disjoint passages that cover all but white space, for any text", () => {
    const piece = fc.constantFrom(
      "Ab c. ",
      "x",
      "\n",
      "\n\n",
      " ",
      "- y\n",
      "\r\n",
      "。",
      "👩‍👩‍👧",
      "[filtered 1 passage, e#1]",
      "<memory ",
    );
    const any = fc.oneof(
      fc.string({ unit: "binary", maxLength: 60 }),
      fc.array(piece).map((parts) => parts.join("")),
    );
    void fc.assert(
      fc.property(any, (text) => {
        let at = 0;
        let between = "";
        for (const segment of segmentText(text)) {
          expect(segment.start).toBeGreaterThanOrEqual(at);
          expect(segment.end).toBeGreaterThan(segment.start);
          expect(text.slice(segment.start, segment.end)).toBe(segment.text);
          between += text.slice(at, segment.start);
          at = segment.end;
        }
        expect((between + text.slice(at)).trim()).toBe("");
      }),
      { numRuns: 3000, seed: 5 },
    );
  });
});
