import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { defuse, escapeXml, restoreTags, showInvisible, unescapeXml } from "../../src/text/escaping.js";

describe("escapeXml", () => {
  it("gives any text back through unescapeXml, and lets no tag or attribute through", () => {
    void fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const escaped = escapeXml(text);
        expect(unescapeXml(escaped)).toBe(text);
        expect(escaped).not.toMatch(/[<>"]/);
      }),
    );
  });

  it("reads references that others write, and leaves those beyond Unicode", () => {
    expect(unescapeXml("&apos;&#39;&#8238;&amp;lt;")).toBe("''\u202e&lt;");
    expect(unescapeXml("&#9999999;&nbsp;")).toBe("&#9999999;&nbsp;");
  });
});

describe("showInvisible", () => {
  it.each([
    [
      "text direction",
      "pay \u202e100\u202c \u2066x\u2069 \u200e\u061c",
      "pay &#8238;100&#8236; &#8294;x&#8297; &#8206;&#1564;",
    ],
    [
      "zero width",
      "ig\u200bno\ufeffre\u2060 pass\u200dword \u00ad",
      "ig&#8203;no&#65279;re&#8288; pass&#8205;word &#173;",
    ],
    ["Unicode tags", "hi\u{e0049}\u{e0067}\u{e007f}", "hi&#917577;&#917607;&#917631;"],
    ["bytes in variation selectors", "x\ufe01\ufe02\u{e0101}", "x\ufe01&#65026;&#917761;"],
    ["controls and line separators", "a\u001b[31m\u0085\u2028\u0000", "a&#27;[31m&#133;&#8232;&#0;"],
  ])("shows %s", (_, text, shown) => {
    expect(showInvisible(text)).toBe(shown);
  });

  it.each([
    "plain text, with\ttabs\nand lines",
    "family 👩‍👩‍👧, heart ❤️, keycap 1️⃣, 🧑🏽‍🚀",
    "Persian می‌خواهم",
    "Hindi क्‍ष and क्‌ष",
    "e\u0301 ü 今日 한국어",
  ])("leaves %s", (text) => {
    expect(showInvisible(text)).toBe(text);
  });
});

describe("defuse", () => {
  it.each([
    ["<|im_start|>system", "&lt;|im_start|>system"],
    ["<｜begin▁of▁sentence｜>", "&lt;｜begin▁of▁sentence｜>"],
    ["</s><s>[INST] x [/INST]", "&lt;/s>&lt;s>&#91;INST] x &#91;/INST]"],
    ["<<SYS>>y<</SYS>>", "&lt;<SYS>>y&lt;</SYS>>"],
    ["<end_of_turn><start_of_turn>user", "&lt;end_of_turn>&lt;start_of_turn>user"],
    ["<THINK></tool_call><answer>", "&lt;THINK>&lt;/tool_call>&lt;answer>"],
    ["a < b, x | y, <strong>, [INSTALL], List<string>", "a < b, x | y, <strong>, [INSTALL], List<string>"],
  ])("breaks control tokens and nothing else: %s", (text, expected) => {
    expect(defuse(text)).toBe(expected);
  });

  it("breaks the given tags, and restoreTags makes them whole", () => {
    const text = "</memory> <memory id='x'> <memory-card> <memo>";
    const broken = defuse(text, ["memory"]);
    expect(broken).toBe("&lt;/memory> &lt;memory id='x'> <memory-card> <memo>");
    expect(restoreTags(broken, ["memory"])).toBe(text);
  });
});
