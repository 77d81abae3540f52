/** A tool, a response and its reading, for tests of the local chat model's parts. */
import type { OpenAITool } from "../../src/models/gguf/template-messages.js";

export const tool: OpenAITool = {
  type: "function",
  function: {
    name: "add",
    description: "Stores a fact",
    parameters: { type: "object", properties: { content: { type: "string" } }, required: ["content"] },
  },
};
/** The code of the error that `work` throws. */
export const codeOf = (work: () => unknown) => {
  try {
    work();
  } catch (error) {
    return (error as { code?: string }).code;
  }
  return undefined;
};

export const reading = {
  names: new Set(["add"]),
  form: "hermes" as const,
  stop: [] as string[],
  thinking: false,
};

export const facts = {
  model: "m",
  prompt: [1, 2],
  tokens: [3, 4],
  logProbs: [-0.5, -1],
  reused: 1,
  text: '<tool_call>{"name":"add","arguments":{"content":"x"}}</tool_call>',
  finish: "stop" as const,
  recordTokens: true,
};
