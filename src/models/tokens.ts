/**
 * Token counters: as OpenAI's models count, or as a model says itself.
 *
 * Owns the counters and what a message adds around its text; leaves out encodings and published overheads
 * (`openai-tokens.ts`) and the estimates for images and files (`content-tokens.ts`). Caching per message is the
 * caller's (`context/`).
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
 * The counter for a model. Text is exact for OpenAI's families (o200k_base: gpt-4o, gpt-4.1, gpt-5, gpt-oss, o1, o3,
 * o4; cl100k_base: gpt-4, gpt-3.5, embeddings); what surrounds it follows their published rules. For any other model,
 * or none, figures are those of o200k_base and `exact` is false: near for
 * English, further off for other scripts.
 *
 * Tables are decoded at the first count (some 0.2 s), once per process. Time is near linear in the length of any text;
 * special-token text such as "<|endoftext|>" counts as ordinary text. A request adds `REQUEST_OVERHEAD` (3) tokens
 * that belong to no message.
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
 * The counter that agrees with a model: its own where it has one (a local model's vocabulary, which is loaded for it),
 * else the one for its name.
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
