/**
 * The paper's tags in plain chat messages, for models without native tool calling and for policies trained on them.
 *
 * Owns rendering messages as tags for the model. Leaves out parsing (`text-parser.ts`). The context itself keeps
 * LangChain's form (tool calls, ToolMessages).
 */
import { AIMessage, type BaseMessage, HumanMessage, type ToolMessage } from "@langchain/core/messages";
import { shortHash } from "../../lib/hash.js";
import { textProtocolPrompt } from "../../prompts.js";
import { defuse, escapeXml } from "../../text/escaping.js";
import type { AgentProtocol, ModelTurn, ProtocolOptions } from "../protocol.js";
import { parseTextResponse } from "./text-parser.js";

/** Builds the protocol. Tools are described in the system prompt; nothing is bound to the model. */
export function textProtocol({ model, ask, schemas }: ProtocolOptions): AgentProtocol {
  return {
    name: "text",
    systemSuffix: textProtocolPrompt(schemas),
    hasTools: schemas.length > 0,
    sentTools: [],
    call: (messages, config) => ask(model, renderAsText(messages), config),
    read,
  };
}

/** Turns tool results into user messages. Adjacent ones share a message, because chat templates require alternating turns. */
export function renderAsText(messages: readonly BaseMessage[]): BaseMessage[] {
  const out: BaseMessage[] = [];
  let results: string[] = [];
  const flush = () => {
    if (results.length > 0) out.push(new HumanMessage(results.join("\n")));
    results = [];
  };
  for (const message of messages) {
    if (message.getType() === "tool") {
      const result = message as ToolMessage;
      // A tool's text must not be able to close its block and pose as the user or another role of the template.
      const body = defuse(result.text, ["tool_result"]);
      results.push(`<tool_result name="${escapeXml(result.name ?? "")}">${body}</tool_result>`);
      continue;
    }
    flush();
    out.push(AIMessage.isInstance(message) ? new AIMessage({ content: message.text }) : message);
  }
  flush();
  return out;
}

function read(response: AIMessage): ModelTurn {
  const parsed = parseTextResponse(response.text);
  if (parsed.kind === "error") return { message: response, answer: null, formatError: parsed.problem };
  if (parsed.kind === "answer") return { message: response, answer: parsed.answer };
  return {
    message: new AIMessage({
      content: response.content,
      ...(response.id ? { id: response.id } : {}),
      additional_kwargs: response.additional_kwargs,
      response_metadata: response.response_metadata,
      ...(response.usage_metadata ? { usage_metadata: response.usage_metadata } : {}),
      tool_calls: parsed.calls.map((call, index) => ({
        type: "tool_call" as const,
        // The tags carry no ids; derived ones keep a replay of the same response identical.
        id: `call_${shortHash(`${response.id ?? ""}/${response.text}/${index}`, 12)}`,
        name: call.name,
        args: call.arguments,
      })),
    }),
    answer: null,
  };
}
