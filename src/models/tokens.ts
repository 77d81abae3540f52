/**
 * Token counters: by OpenAI's encodings, or a model's own.
 *
 * Owns the counters and the overhead of a message; leaves out encodings and published overheads (`openai-tokens.ts`) and
 * the estimates for images and files (`content-tokens.ts`). Callers cache counts per message (`context/`).
 */
import { AIMessage, type BaseMessage } from "@langchain/core/messages";
import type { TokenCounter } from "../types.js";
import { countContent } from "./tokens/content-tokens.js";
import {
  countToolSchemas,
  encoding,
  encodingOf,
  MESSAGE_OVERHEAD,
  NAME_OVERHEAD,
  preload,
  TOOL_CALL_OVERHEAD,
  TOOL_OVERHEADS,
  type ToolOverheads,
} from "./tokens/openai-tokens.js";

const ROLES: Readonly<Record<string, string>> = { human: "user", ai: "assistant", generic: "user" };

/**
 * The counter for a model name. Text counts are exact for OpenAI's families (o200k_base: gpt-4o, gpt-4.1, gpt-4.5,
 * gpt-5, gpt-oss, o1, o3, o4; cl100k_base: gpt-4, gpt-3.5, embeddings); overheads follow OpenAI's published rules. Any
 * other model, or none, is counted by o200k_base with `exact` false: close for English, less so for other scripts.
 *
 * Tables are decoded at the first count (about 0.2 s), once per process. Time is near linear in the length of the text;
 * special tokens such as "<|endoftext|>" count as ordinary text. A request adds `REQUEST_OVERHEAD` (3) tokens that
 * belong to no message.
 *
 * @example
 * const counter = tokenCounter("gpt-4o-mini");
 * counter.countText("hello world"); // 2
 */
export function tokenCounter(model?: string): TokenCounter {
  const known = model === undefined ? undefined : encodingOf(model);
  const name = known ?? "o200k_base";
  preload(name);
  return makeCounter(name, known !== undefined, (text) => encoding(name).count(text), TOOL_OVERHEADS[name]);
}

/**
 * The best counter for a model: its own if it has one (which loads a local model's file), else {@link tokenCounter} for
 * its name.
 */
export async function counterOf(model: {
  readonly model: string;
  tokenCounter?: () => Promise<TokenCounter>;
}): Promise<TokenCounter> {
  return model.tokenCounter ? model.tokenCounter() : tokenCounter(model.model);
}

function makeCounter(
  name: string,
  exact: boolean,
  countText: (text: string) => number,
  overheads: ToolOverheads,
): TokenCounter {
  return {
    name,
    exact,
    countText,
    countMessage: (message) => countMessage(message, countText),
    countTools: (tools) => countToolSchemas(tools, countText, overheads),
  };
}

function countMessage(message: BaseMessage, countText: (text: string) => number): number {
  const role = ROLES[message.type] ?? message.type;
  let total = MESSAGE_OVERHEAD + countText(role);
  if (message.name) total += NAME_OVERHEAD + countText(message.name);
  const counted = new Set<string>();
  if (AIMessage.isInstance(message)) {
    for (const call of message.tool_calls ?? []) {
      if (call.id) counted.add(call.id);
      total += TOOL_CALL_OVERHEAD + countText(call.name) + countText(JSON.stringify(call.args ?? {}));
    }
    for (const call of message.invalid_tool_calls ?? []) {
      if (call.id) counted.add(call.id);
      total += TOOL_CALL_OVERHEAD + countText(call.name ?? "") + countText(call.args ?? "");
    }
  }
  return total + countContent(message.content, countText, counted);
}
