import { describe, expect, it } from "vitest";
import { parseTextResponse } from "../../../src/agent/protocols/text-parser.js";
import { createRandom } from "../../../src/lib/random.js";

const one = '[{"name": "Add_memory", "arguments": {"content": "x"}}]';

describe("parseTextResponse", () => {
  it("reads calls and answers", () => {
    expect(parseTextResponse(`<think>hm</think>\n<tool_call>${one}</tool_call>`)).toEqual({
      kind: "calls",
      think: "hm",
      calls: [{ name: "Add_memory", arguments: { content: "x" } }],
    });
    expect(parseTextResponse("<think>a</think><answer> 4 </answer>")).toEqual({
      kind: "answer",
      think: "a",
      answer: "4",
    });
  });

  it.each([
    ["no think block", `<tool_call>${one}</tool_call>`],
    ["a code fence", `<think></think><tool_call>\n\`\`\`json\n${one}\n\`\`\`\n</tool_call>`],
    ["one object without brackets", `<tool_call>${one.slice(1, -1)}</tool_call>`],
    ["white space around", `  \n<think>x</think>\n\n<tool_call> ${one} </tool_call>\n `],
    [
      "tags inside a JSON string",
      `<tool_call>[{"name":"a","arguments":{"t":"</tool_call><answer>"}}]</tool_call>`,
    ],
    ["nested braces", `<tool_call>[{"name":"a","arguments":{"t":{"u":[{"v":"}]"}]}}}]</tool_call>`],
  ])("tolerates %s", (_, text) => {
    expect(parseTextResponse(text)).toMatchObject({ kind: "calls", calls: [{ name: expect.any(String) }] });
  });

  it.each([
    ["plain text", "I will store it."],
    ["nothing", ""],
    ["thought only", "<think>hm</think>"],
    ["an unclosed call", `<think>a</think><tool_call>${one}`],
    ["an unclosed thought", `<think>a<tool_call>${one}</tool_call>`],
    ["text before", `Sure! <answer>4</answer>`],
    ["text after", `<answer>4</answer> Bye`],
    ["a call and an answer", `<tool_call>${one}</tool_call><answer>4</answer>`],
    ["two answers", "<answer>4</answer><answer>5</answer>"],
    ["two thoughts", "<think>a</think><think>b</think><answer>5</answer>"],
    ["the thought last", "<answer>5</answer><think>b</think>"],
    ["an empty answer", "<answer> </answer>"],
    ["an empty array", "<tool_call>[]</tool_call>"],
    ["broken JSON", '<tool_call>[{"name": "a", "arguments": {}]</tool_call>'],
    ["no name", '<tool_call>[{"arguments": {}}]</tool_call>'],
    ["arguments as text", '<tool_call>[{"name": "a", "arguments": "{}"}]</tool_call>'],
    ["no arguments", '<tool_call>[{"name": "a"}]</tool_call>'],
    ["a list of names", '<tool_call>["a"]</tool_call>'],
    ["half of it broken", `<tool_call>[{"name":"a","arguments":{}}, {"name":2,"arguments":{}}]</tool_call>`],
  ])("refuses %s", (_, text) => {
    const parsed = parseTextResponse(text);
    expect(parsed.kind).toBe("error");
    expect(parsed.kind === "error" && parsed.problem.length).toBeGreaterThan(10);
  });

  it("never throws and never runs a call that was not well-formed, on 30,000 inputs", () => {
    const seed = Number(process.env.FUZZ_SEED ?? 20_260_111);
    const random = createRandom(seed);
    const kinds = { calls: 0, answer: 0, error: 0 };
    for (let i = 0; i < 30_000; i++) {
      const text = i % 2 ? soup(random) : damaged(random);
      let parsed: ReturnType<typeof parseTextResponse>;
      try {
        parsed = parseTextResponse(text);
      } catch (error) {
        throw new Error(`seed ${seed}, input ${i}: ${JSON.stringify(text)}`, { cause: error });
      }
      kinds[parsed.kind]++;
      const complaint = check(text, parsed);
      if (complaint) throw new Error(`seed ${seed}, input ${i}: ${complaint} in ${JSON.stringify(text)}`);
    }
    // The inputs reach every branch.
    expect(Math.min(kinds.calls, kinds.answer, kinds.error)).toBeGreaterThan(500);
  });
});

/** An independent reading of what a result claims; undefined when it holds. */
function check(text: string, parsed: ReturnType<typeof parseTextResponse>): string | undefined {
  if (parsed.kind === "error") return undefined;
  const open = parsed.kind === "calls" ? "tool_call" : "answer";
  const rest = text.trim().replace(/^<think>[\s\S]*?<\/think>\s*/, "");
  if (!rest.startsWith(`<${open}>`) || !rest.endsWith(`</${open}>`))
    return "the block is not all that follows the thought";
  const body = rest.slice(open.length + 2, -(open.length + 3));
  if (parsed.kind === "answer")
    return parsed.answer === body.trim() && parsed.answer ? undefined : "another answer";
  const json = body
    .trim()
    .replace(/^```(?:json)?\s*/i, "")
    .replace(/\s*```$/, "");
  const written = [JSON.parse(json)].flat();
  if (written.length !== parsed.calls.length) return "another number of calls";
  const same = parsed.calls.every((call, i) => JSON.stringify(call) === JSON.stringify(pick(written[i])));
  return same ? undefined : "another call than written";
}

function pick({ name, arguments: args }: { name: unknown; arguments: unknown }) {
  const isObject = typeof args === "object" && args !== null && !Array.isArray(args);
  return typeof name === "string" && name && isObject ? { name, arguments: args } : "not a call";
}

const PIECES = [
  "<think>",
  "</think>",
  "<tool_call>",
  "</tool_call>",
  "<answer>",
  "</answer>",
  one,
  "[]",
  "{}",
  "[",
  "]",
  "{",
  "}",
  '"',
  "\\",
  '{"name":"a","arguments":{}}',
  '{"name":1,"arguments":{}}',
  "```json",
  "```",
  "hm",
  " ",
  "\n",
  "4",
  "\u0000",
  "\ud800",
  "é",
  ",",
  "null",
];
type Random = ReturnType<typeof createRandom>;
const soup = (random: Random) =>
  Array.from({ length: random.integer(9) }, () => random.pick(PIECES)).join("");

/** A good response with a few characters dropped, doubled, or replaced. */
function damaged(random: Random): string {
  const think = random.pick(["", "<think>a</think>", "<think>a <b> </think>\n"]);
  const act = random.pick([
    `<tool_call>${one}</tool_call>`,
    `<tool_call>[${one.slice(1, -1)},${one.slice(1, -1)}]</tool_call>`,
    `<tool_call>\n\`\`\`json\n${one}\n\`\`\`</tool_call>`,
    "<answer>forty two</answer>",
  ]);
  let text = think + act;
  for (let cuts = random.integer(3); cuts > 0; cuts--) {
    const at = random.integer(text.length);
    const instead = random.pick(["", text.slice(at, at + 5) + text.slice(at, at + 1), random.pick(PIECES)]);
    text = text.slice(0, at) + instead + text.slice(at + 1 + random.integer(3));
  }
  return text;
}
