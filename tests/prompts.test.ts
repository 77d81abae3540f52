import { convertToOpenAITool } from "@langchain/core/utils/function_calling";
import { InMemoryStore } from "@langchain/langgraph";
import { describe, expect, it } from "vitest";
import { OfflineSummarizer } from "../src/offline/summarizer.js";
import { budgetLine, memoryGuide } from "../src/prompts.js";
import { createMemoryTools } from "../src/tools/memory-tools.js";
import { MEMORY_OPS, type MemoryOp, PAPER_TOOL_NAMES } from "../src/types.js";

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
