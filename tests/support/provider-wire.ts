/**
 * LangChain messages as they go to a provider: OpenAI's by `@langchain/openai` itself, Anthropic's as ChatAnthropic of
 * `@langchain/anthropic` puts them (the tests need no second provider package).
 */
import { AIMessage, type BaseMessage, ToolMessage } from "@langchain/core/messages";
import { convertMessagesToCompletionsMessageParams } from "@langchain/openai";

type Fields = Record<string, unknown>;

/** The `messages` of a request to Chat Completions. */
export function openAIMessages(messages: readonly BaseMessage[]): Fields[] {
  const params = convertMessagesToCompletionsMessageParams({ messages: [...messages], model: "gpt-4o" });
  return params as unknown as Fields[];
}

/** `system` and `messages` of a request to Messages. Throws at a system message that is not the first. */
export function anthropicRequest(messages: readonly BaseMessage[]): { system: unknown; messages: Fields[] } {
  const [first] = messages;
  const system = first?.type === "system" ? first.content : undefined;
  const out: Fields[] = [];
  for (const message of system === undefined ? messages : messages.slice(1)) {
    if (message.type === "system") throw new Error("System messages are only permitted as the first message");
    if (ToolMessage.isInstance(message)) {
      const content = typeof message.content === "string" ? message.content : blocksOf(message);
      const result = { type: "tool_result", content, tool_use_id: message.tool_call_id };
      const last = out.at(-1)?.content;
      const results = Array.isArray(last) && last.every((block: Fields) => block.type === "tool_result");
      if (results) last.push(result);
      else out.push({ role: "user", content: [result] });
    } else if (AIMessage.isInstance(message))
      out.push({ role: "assistant", content: assistantContent(message) });
    else out.push({ role: "user", content: message.content });
  }
  return { system, messages: out };
}

function assistantContent(message: AIMessage): unknown {
  const calls = message.tool_calls ?? [];
  const asUse = calls.map(({ id, name, args }) => ({ type: "tool_use", id, name, input: args }));
  if (typeof message.content === "string") {
    if (calls.length === 0) return message.content;
    return message.content === "" ? asUse : [{ type: "text", text: message.content }, ...asUse];
  }
  const blocks = blocksOf(message);
  return [...blocks, ...asUse.filter(({ id }) => !blocks.some((block) => block.id === id))];
}

/** The input of a streamed `tool_use` block is text; it is sent as the parsed call's, else as it can be read. */
function blocksOf(message: BaseMessage): Fields[] {
  const calls = AIMessage.isInstance(message) ? (message.tool_calls ?? []) : [];
  return (message.content as Fields[]).map((block) => {
    if (block.type !== "tool_use" || typeof block.input !== "string") return block;
    return { ...block, input: calls.find(({ id }) => id === block.id)?.args ?? readInput(block.input) };
  });
}

function readInput(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
