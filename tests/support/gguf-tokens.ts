/** What must hold of the tokens that a local model's calls are recorded with, whoever drew them. */
import {
  AIMessage,
  type BaseMessage,
  HumanMessage,
  SystemMessage,
  ToolMessage,
} from "@langchain/core/messages";
import type { LlamaModel } from "../../src/models/gguf/llama-api.js";
import { promptOf } from "../../src/models/gguf/prompt.js";
import { stopAt, toMessage } from "../../src/models/gguf/response.js";
import type { ChatTemplate } from "../../src/models/gguf/template.js";
import type { OpenAITool } from "../../src/models/gguf/template-messages.js";
import { toResponseRecord } from "../../src/trajectory/message-records.js";
import type { MessageRecord } from "../../src/trajectory/schema-parts.js";

/** The part of a recorded step that is looked at. */
export interface TokenStep {
  messages: readonly MessageRecord[];
  tools: readonly OpenAITool[];
  response: {
    content: unknown;
    reasoning: string | null;
    tool_calls: readonly { name: string; arguments: string }[];
  };
  prompt_token_ids: readonly number[] | null;
  response_token_ids: readonly number[] | null;
  response_logprobs: readonly number[] | null;
  sampling: { stop?: readonly string[] | null };
}

export interface TokenFindings {
  /** What does not hold; empty when all is well. */
  problems: string[];
  /** The response's text gives the same tokens again: a draw need not be the way the tokenizer would cut its text. */
  canonical: boolean;
}

/** The prompt's tokens are those of its messages and tools; the response's tokens are its text, which reads as the record says. */
export function checkTokens(model: LlamaModel, template: ChatTemplate, step: TokenStep): TokenFindings {
  const { prompt_token_ids: prompt, response_token_ids: ids, response_logprobs: logs } = step;
  if (!prompt || !ids || !logs) return { problems: ["tokens are missing"], canonical: false };
  const problems: string[] = [];
  const { prompt: again, thinking } = promptOf(
    { model, template },
    step.messages.map(toMessageAgain),
    step.tools,
  );
  if (again.join() !== prompt.join()) problems.push("the prompt's messages give other tokens");
  const text = model.detokenize(withoutEnd(model, ids), true);
  const stop = [...(step.sampling.stop ?? []), ...template.stop];
  const names = new Set(step.tools.map((tool) => tool.function.name));
  const facts = { model: "m", prompt, tokens: ids, logProbs: logs, reused: 0, text, finish: "stop" as const };
  const read = toMessage({ ...facts, recordTokens: false }, { names, form: template.form, stop, thinking });
  if (same(toResponseRecord(read)) !== same(step.response))
    problems.push("the response's tokens are another text");
  if (logs.length !== ids.length || !logs.every((log) => log <= 0))
    problems.push("log-probabilities do not fit");
  const cut = stopAt(text, stop);
  const canonical = cut !== undefined || model.tokenize(text, true).join() === withoutEnd(model, ids).join();
  return { problems, canonical };
}

function withoutEnd(model: LlamaModel, ids: readonly number[]): number[] {
  return ids.filter((id, at) => at < ids.length - 1 || !model.isEogToken(id));
}

/** Ids of calls are made up anew. */
function same(response: TokenStep["response"]): string {
  const calls = response.tool_calls.map((call) => [call.name, call.arguments]);
  return JSON.stringify([response.content ?? "", response.reasoning, calls]);
}

function toMessageAgain(record: MessageRecord): BaseMessage {
  const content = typeof record.content === "string" ? record.content : "";
  if (record.role === "system") return new SystemMessage(content);
  if (record.role === "user") return new HumanMessage(content);
  if (record.role === "tool") {
    return new ToolMessage({ content, tool_call_id: record.tool_call_id ?? "", name: record.name ?? "" });
  }
  const message = new AIMessage({ content });
  for (const { id, name, arguments: args } of record.tool_calls ?? []) {
    try {
      message.tool_calls?.push({ type: "tool_call", id, name, args: JSON.parse(args) });
    } catch {
      message.invalid_tool_calls?.push({ type: "invalid_tool_call", id, name, args, error: "" });
    }
  }
  return message;
}
