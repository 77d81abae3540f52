/** What counts as knowledge in a message, and what is only being asked for. */
import { describe, expect, it } from "vitest";
import { argumentOf, knowledgeOf, memoriesIn, plain } from "../../../src/trajectory/trace/context-text.js";

const call = (args: string) => ({ content: "", tool_calls: [{ id: "c", name: "x", arguments: args }] });

describe("knowledgeOf", () => {
  it("keeps what a call stores and drops what it looks for or removes", () => {
    expect(knowledgeOf(call('{"content":"Ada\\nlives in Oslo"}'))).toContain("lives in Oslo");
    for (const args of ['{"query":"Oslo \\"now\\" Oslo","top_k":1}', '{"criteria": "all of Oslo"}'])
      expect(knowledgeOf(call(args))).not.toContain("Oslo");
  });

  it("does so in tags, in transcripts and in the query of a retrieved block", () => {
    for (const text of [
      '<tool_call>[{"name": "f", "arguments": {"query": "Oslo"}}]</tool_call>',
      "[calls f c with {&quot;criteria&quot;:&quot;Oslo&quot;}]",
      '<retrieved_memories query="Oslo" count="0">\n</retrieved_memories>',
      '<retrieved_memories query="who wrote &quot;Oslo&quot;?" count="0">\n</retrieved_memories>',
    ]) {
      expect(plain(text)).not.toContain("Oslo");
    }
    const shown =
      '<retrieved_memories query="a" count="1">\n<memory id="m1" updated="2026-11-21">AT&amp;T</memory>';
    expect(plain(shown).trim()).toBe("AT&T");
  });

  it("reads content parts and escapes of JSON", () => {
    expect(knowledgeOf({ content: [{ type: "text", text: "Oslo" }, { type: "image_url" }] }).trim()).toBe(
      "Oslo",
    );
    expect(knowledgeOf(call('{"content":"caf\\u00e9"}'))).toContain("café");
  });
});

it("finds memories shown in full, not those only named", () => {
  const text = '<memory id="m1" type="fact">a &lt; b</memory><memory id="m2" already_in_context="true"/>';
  expect(memoriesIn(text)).toEqual([{ id: "m1", content: "a < b" }]);
});

it("says undefined for arguments that are not there or not JSON", () => {
  expect([
    argumentOf(null, "a"),
    argumentOf("{", "a"),
    argumentOf("3", "a"),
    argumentOf('{"a":1}', "a"),
  ]).toEqual([undefined, undefined, undefined, 1]);
});
