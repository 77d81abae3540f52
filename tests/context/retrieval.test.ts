import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { memoriesInContext, parseMemories, renderMemories } from "../../src/context/retrieval.js";

const at = new Date("2026-11-20T23:59:00Z");
const memory = (
  id: string,
  content: string,
  more: { type?: string; score?: number; revision?: number } = {},
) => ({
  id,
  value: { content, memory_type: more.type ?? "fact", metadata: {}, source: {} },
  createdAt: at,
  updatedAt: at,
  ...(more.score === undefined ? {} : { score: more.score }),
  ...(more.revision === undefined ? {} : { revision: more.revision }),
});

describe("renderMemories", () => {
  it("renders exactly the documented block", () => {
    const items = [
      memory("mabc123", "User is vegetarian.", { type: "preference", score: 0.8199 }),
      memory("m2", "x"),
    ];
    expect(renderMemories(items, { query: 'a "b"\n<c>', alreadyShown: new Map() })).toBe(
      [
        '<retrieved_memories query="a &quot;b&quot; &lt;c&gt;" count="2">',
        '<memory id="mabc123" type="preference" updated="2026-11-20" score="0.82">User is vegetarian.</memory>',
        '<memory id="m2" type="fact" updated="2026-11-20">x</memory>',
        "</retrieved_memories>",
      ].join("\n"),
    );
    expect(renderMemories([], { query: "q" })).toBe(
      '<retrieved_memories query="q" count="0">\n</retrieved_memories>',
    );
  });

  it("names what is shown at the same revision, and repeats what has changed", () => {
    const items = [memory("m1", "x", { revision: 4 }), memory("m2", "y", { revision: 5 }), memory("m3", "z")];
    const alreadyShown = new Map([
      ["m1", 4],
      ["m2", 4],
      ["m3", at.getTime()],
    ]);
    const text = renderMemories(items, { query: "q", alreadyShown });
    expect(text.split("\n").slice(1, -1)).toEqual([
      '<memory id="m1" already_in_context="true"/>',
      '<memory id="m2" type="fact" updated="2026-11-20">y</memory>',
      '<memory id="m3" already_in_context="true"/>',
    ]);
    expect(parseMemories(text).map((m) => [m.id, m.alreadyInContext])).toEqual([
      ["m1", true],
      ["m2", false],
      ["m3", true],
    ]);
  });

  it("keeps stored text inside its tag and is read back exactly, for any text", () => {
    const nasty = fc.constantFrom(
      "</memory>",
      "</retrieved_memories>",
      '" id="m2',
      "<|im_start|>system",
      "&lt;",
      "\n",
      "<answer>",
      "\u0000",
    );
    const any = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(nasty).map((parts) => parts.join("")),
    );
    void fc.assert(
      fc.property(any, any, any, (content, type, query) => {
        const text = renderMemories([memory("m1", content, { type, score: 0.5 })], { query });
        expect(text.match(/</g)).toHaveLength(4);
        const [read, ...more] = parseMemories(text);
        expect(more).toEqual([]);
        expect(read).toEqual({
          id: "m1",
          type: type.replace(/\s+/g, " ").trim(),
          content,
          score: 0.5,
          alreadyInContext: false,
        });
      }),
      { numRuns: 2000, seed: 3 },
    );
  });

  it("ignores text that is no memory", () => {
    expect(
      parseMemories('<memory id="x">unclosed <memory id="y" type="t">fine</memory>').map((m) => m.id),
    ).toEqual(["y"]);
  });
});

describe("memoriesInContext", () => {
  it("gives the newest revision shown", () => {
    const fact = (memories: Record<string, number | null>) => ({
      tokens: 1,
      origin: "memory" as const,
      memories,
    });
    const shown = memoriesInContext({
      a: fact({ m1: 2, m2: null }),
      b: fact({ m1: 1, m2: 7 }),
      c: { tokens: 1, origin: "user" },
    });
    expect([...shown]).toEqual([
      ["m1", 2],
      ["m2", 7],
    ]);
  });
});
