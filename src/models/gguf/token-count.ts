/**
 * Counts tokens as a local model's own vocabulary and chat template do.
 *
 * A message counts what the prompt grows by when it is added, so that the counts of a system message, its tools and the
 * messages after it add up to the prompt. Leaves out rendering (`prompt.ts`) and the cache per message (`context/`).
 */
import {
  AIMessage,
  type BaseMessage,
  HumanMessage,
  SystemMessage,
  ToolMessage,
} from "@langchain/core/messages";
import type { TokenCounter } from "../../types.js";
import { REQUEST_OVERHEAD } from "../tokens/openai-tokens.js";
import type { LlamaModel } from "./llama-api.js";
import { promptOf } from "./prompt.js";
import type { ChatTemplate } from "./template.js";
import type { OpenAITool } from "./template-messages.js";

const USER = new HumanMessage("x");
const ANSWER = new AIMessage("y");
const SYSTEM = new SystemMessage("s");

/**
 * The counter of a loaded model. Images and other blocks that a template does not show count nothing, as they are not sent.
 *
 * @param name recorded as the counter's name
 */
export function templateCounter(
  ready: { model: Pick<LlamaModel, "tokenize" | "tokens">; template: ChatTemplate },
  name: string,
): TokenCounter {
  const length = (messages: readonly BaseMessage[], tools: readonly OpenAITool[] = []) =>
    promptOf(ready, messages, tools).prompt.length;
  const added = (before: readonly BaseMessage[], message: BaseMessage) =>
    Math.max(0, length([...before, message]) - length(before));
  const user = added([USER, ANSWER], USER);
  return {
    name,
    exact: true,
    countText: (text) => ready.model.tokenize(text, false).length,
    countMessage: (message) => {
      // What a request has around its messages is the system message's, but for the tokens that prime each reply.
      if (SystemMessage.isInstance(message)) return length([message, USER]) - user - REQUEST_OVERHEAD;
      if (ToolMessage.isInstance(message)) return added([USER, callOf(message)], message);
      return AIMessage.isInstance(message) ? added([USER], message) : added([USER, ANSWER], message);
    },
    countTools: (tools) => {
      const sent = tools.map((tool) => ({ type: "function" as const, function: { ...tool } }));
      return length([SYSTEM, USER], sent) - length([SYSTEM, USER]);
    },
  };
}

/** The call that a result answers: templates refuse a result without one. */
function callOf({ tool_call_id: id, name = "tool" }: ToolMessage): AIMessage {
  return new AIMessage({ content: "", tool_calls: [{ id, name, args: {} }] });
}
