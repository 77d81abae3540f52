import { convertToOpenAITool } from "@langchain/core/utils/function_calling";
import { InMemoryStore } from "@langchain/langgraph";
import { describe, expect, it } from "vitest";
import { OfflineSummarizer } from "../src/offline/summarizer.js";
import { budgetLine, memoryGuide, repairPrompt, systemPrompt, textProtocolPrompt } from "../src/prompts.js";
import { createMemoryTools, toTool } from "../src/tools/memory-tools.js";
import { createMemoryOperations } from "../src/tools/operations.js";
import { MEMORY_OPS, type MemoryOp, PAPER_TOOL_NAMES } from "../src/types.js";

const BRIEF_ARGUMENTS: Record<MemoryOp, string[]> = {
  ADD: ["content"],
  UPDATE: ["memory_id", "content"],
  DELETE: ["memory_id", "confirmation"],
  RETRIEVE: ["query"],
  SUMMARY: ["span"],
  FILTER: ["criteria"],
};
const named = (text: string): string[] => MEMORY_OPS.filter((op) => text.includes(PAPER_TOOL_NAMES[op]));

describe.each(["full", "short", "minimal"] as const)("the %s guide", (variant) => {
  it.each([
    [["SUMMARY", "FILTER"]],
    [["ADD", "RETRIEVE"]],
    [["UPDATE", "DELETE"]],
    [[...MEMORY_OPS]],
  ] as MemoryOp[][][])("names the tools on offer and no other: %s", (operations) => {
    const expected = variant === "minimal" ? [] : MEMORY_OPS.filter((op) => operations.includes(op));
    expect(named(memoryGuide({ variant, operations }))).toEqual(expected);
  });
});

it("names the block of summaries as it is written, and the order of calls where there is one", () => {
  expect(memoryGuide()).toContain("<context_summary>");
  expect(memoryGuide()).not.toContain("<summary>");
  expect(memoryGuide()).toContain("run in the order you give them");
  expect(memoryGuide({ inOrder: false })).not.toContain("order you give");
  expect(memoryGuide({ operations: ["FILTER"] })).not.toContain("Do not store");
});

it("counts the budget from where the guard acts", () => {
  expect(budgetLine(4300, 6144)).toBe("Context: about 70% of 6144 tokens used.");
});

it("announces each argument once, without a schema's address, and takes the variants all the same", () => {
  const tools = createMemoryTools({ store: new InMemoryStore(), summarizer: new OfflineSummarizer() }).map(
    (tool) => convertToOpenAITool(tool),
  );
  const text = JSON.stringify(tools);
  expect(text).not.toContain("$schema");
  expect(text).not.toContain("confirmed");
  const parameters = (op: MemoryOp) =>
    tools.find((tool) => tool.function.name === PAPER_TOOL_NAMES[op])?.function.parameters;
  expect(parameters("DELETE")).toMatchObject({ required: ["memory_id", "confirmation"] });
  expect(parameters("SUMMARY")).toMatchObject({ properties: { span: { type: "string" } } });
});

it("announces tools to small models in brief, with what must be given", () => {
  const { byName: parts } = createMemoryOperations({ store: new InMemoryStore() });
  const brief = [...parts.values()].map((operation) => convertToOpenAITool(toTool(operation, "short")));
  const keys = brief.map(({ function: { parameters } }) =>
    Object.keys((parameters as { properties: object }).properties),
  );
  expect(keys).toEqual(MEMORY_OPS.map((op) => BRIEF_ARGUMENTS[op]));
  const full = [...parts.values()].map((operation) => convertToOpenAITool(toTool(operation)));
  expect(JSON.stringify(brief).length).toBeLessThan(0.6 * JSON.stringify(full).length);
  expect(JSON.stringify([brief, full])).not.toMatch(/minLength|propertyNames|\$schema/);
});

it("shows the text protocol's form by a call of the first tool", () => {
  const parameters = { type: "object", properties: { a: { type: "string" }, b: { type: "boolean" } } };
  const tool = { name: "f", description: "", parameters: { ...parameters, required: ["a", "b"] } };
  expect(textProtocolPrompt([tool])).toContain(
    '<tool_call>[{"name": "f", "arguments": {"a":"…","b":true}}]</tool_call>',
  );
  expect(textProtocolPrompt([])).toContain("<answer>your final answer</answer>");
  expect(textProtocolPrompt([])).not.toContain("tool");
  expect(repairPrompt("it is empty", "text", false)).not.toContain("tool");
  expect(repairPrompt("it is empty", "native", false)).not.toContain("tool");
});

it("writes the examples for small models as their protocol writes calls", () => {
  const call = { name: "Add_memory", arguments: { content: "The user lives in Oslo." } };
  expect(memoryGuide({ variant: "short", protocol: "text" })).toContain(
    `<tool_call>[${JSON.stringify(call)}]</tool_call>`,
  );
  expect(memoryGuide({ variant: "short" })).toContain(`-> Add_memory ${JSON.stringify(call.arguments)}`);
  expect(memoryGuide({ variant: "short" })).not.toContain("<tool_call>");
});

it("guides to no memory where no operation is offered", () => {
  expect(systemPrompt({ operations: [], instructions: "Play." })).toBe("Play.");
  for (const variant of ["full", "short", "minimal"] as const)
    expect(memoryGuide({ operations: [], variant })).toBe("");
  expect(systemPrompt({ operations: ["ADD"] })).toContain("Add_memory");
});
