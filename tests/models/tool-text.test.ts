import { describe, expect, it } from "vitest";
import { toolTextFormOf } from "../../src/models/tool-text/families.js";
import { readToolText, type ToolTextForm } from "../../src/models/tool-text/tool-text.js";

const names = new Set(["add_memory", "search"]);
const add = { name: "add_memory", args: { content: "Ada lives in Oslo" } };
const json = (key: string, name = "add_memory") =>
  `{"name": "${name}", "${key}": {"content": "Ada lives in Oslo"}}`;

describe("readToolText", () => {
  it.each<[ToolTextForm, string, string, string?]>([
    ["hermes", `I store it.\n<tool_call>\n${json("arguments")}\n</tool_call>`, "I store it."],
    [
      "hermes",
      `<tool_call>[${json("arguments")}]</tool_call>`,
      "",
      'what is in <tool_call> is not JSON with "name" and "arguments"',
    ],
    ["hermes", `<tool_call>${json("arguments")}`, ""],
    ["mistral", `[TOOL_CALLS][${json("arguments")}]`, ""],
    ["mistral", '[TOOL_CALLS]add_memory[ARGS]{"content": "Ada lives in Oslo"}', ""],
    ["llama3", json("parameters"), ""],
    ["llama3", `<|python_tag|>${json("parameters")}<|eom_id|>`, ""],
    ["fenced", `So:\n\`\`\`json\n${json("arguments")}\n\`\`\``, "So:"],
    ["fenced", '```tool_call\n{"tool": "add_memory", "args": {"content": "Ada lives in Oslo"}}\n```', ""],
    [
      "fenced",
      '```json\n{"function": {"name": "add_memory", "arguments": "{\\"content\\": \\"Ada lives in Oslo\\"}"}}\n```',
      "",
    ],
  ])("reads %s: %s", (form, text, content, unusual) => {
    const expected = { calls: [add], content, broken: null, reasoning: null, unusual: unusual ?? null };
    expect(readToolText(text, form, names)).toEqual(expected);
    expect(readToolText(text, "any", names)).toEqual(expected);
  });

  it("reads several calls in each form", () => {
    const texts: [ToolTextForm, string][] = [
      [
        "hermes",
        `<tool_call>${json("arguments")}</tool_call>\n<tool_call>${json("arguments", "search")}</tool_call>`,
      ],
      ["mistral", `[TOOL_CALLS][${json("arguments")}, ${json("arguments", "search")}]`],
      ["mistral", '[TOOL_CALLS]add_memory{"content": "a"}[TOOL_CALLS]search{"content": "b"}'],
      ["llama3", `${json("parameters")}; ${json("parameters", "search")}`],
      ["fenced", `\`\`\`\n${json("arguments")}\n\`\`\`\n\`\`\`\n${json("arguments", "search")}\n\`\`\``],
    ];
    for (const [form, text] of texts) {
      expect(
        readToolText(text, form, names).calls.map((call) => call.name),
        text,
      ).toEqual(["add_memory", "search"]);
    }
  });

  it.each<[string, string | null, string]>([
    ["<think>Where? Oslo.</think>\nOslo.", "Where? Oslo.", "Oslo."],
    ["Where? Oslo.</think>Oslo.", "Where? Oslo.", "Oslo."],
    ["a <think>b</think> c", "b", "a  c"],
    ["Oslo.", null, "Oslo."],
  ])("takes reasoning out of %s", (text, reasoning, content) => {
    expect(readToolText(text, "any", names)).toMatchObject({ reasoning, content, calls: [], broken: null });
  });

  it("does not call what was only considered", () => {
    const text = `<think>I could write <tool_call>${json("arguments")}</tool_call></think>Done.`;
    expect(readToolText(text, "hermes", names)).toMatchObject({ calls: [], content: "Done." });
  });

  it.each([
    ["hermes", '<tool_call>{"name": "add_memory", "arguments": {content: 1}}</tool_call>'],
    ["hermes", `<tool_call>${json("arguments")}</tool_call><tool_call>oops</tool_call>`],
    ["mistral", "[TOOL_CALLS]oops"],
    ["llama3", '{"name": "add_memory", "parameters": {"content": "Ada'],
    ["llama3", "<|python_tag|>print(1)"],
    ["fenced", '```json\n{"name": "add_memory", "arguments": {"content": }}\n```'],
    ["any", "<think>for ever"],
  ] as const)("says what is wrong with %s: %s, and calls nothing", (form, text) => {
    const read = readToolText(text, form, names);
    expect(read.broken).toEqual(expect.any(String));
    expect(read.calls).toEqual([]);
  });

  it.each([
    ['{"city": "Oslo", "country": "Norway"}'],
    ['{"name": "other_tool", "parameters": {}}'],
    ['```json\n{"name": "Ada", "age": 36}\n```'],
    ["```ts\nconst a = [1];\n```"],
    ["The tool add_memory stores a fact."],
  ])("leaves the answer %s alone", (text) => {
    expect(readToolText(text, "any", names)).toEqual({
      calls: [],
      content: text,
      reasoning: null,
      broken: null,
      unusual: null,
    });
  });
});

describe("toolTextFormOf", () => {
  it.each([
    ["Qwen/Qwen2.5-7B-Instruct", "hermes"],
    ["NousResearch/Hermes-3-Llama-3.1-8B", "hermes"],
    ["meta-llama/Llama-3.1-8B-Instruct", "llama3"],
    ["llama3.2:3b", "llama3"],
    ["mistralai/Mistral-7B-Instruct-v0.3", "mistral"],
    ["gemma-3-270m.Q4_K_M", "fenced"],
    ["SmolLM2-135M-Instruct", "hermes"],
    ["gpt-4o-mini", "none"],
    ["my-own-policy", undefined],
  ])("%s: %s", (model, form) => {
    expect(toolTextFormOf(model)).toBe(form);
  });
});
