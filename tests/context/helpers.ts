/** Messages and a counter for the tests of `context/`. */
import {
  AIMessage,
  type BaseMessage,
  HumanMessage,
  SystemMessage,
  ToolMessage,
} from "@langchain/core/messages";
import type { TokenCounter } from "../../src/types.js";

export const system = (id: string, text = "You are helpful."): BaseMessage =>
  new SystemMessage({ id, content: text });
export const user = (id: string, text = `question ${id}`): BaseMessage =>
  new HumanMessage({ id, content: text });
export const ai = (id: string, text = `answer ${id}`): BaseMessage => new AIMessage({ id, content: text });
export const call = (id: string, callIds: string[], text = ""): BaseMessage =>
  new AIMessage({
    id,
    content: text,
    tool_calls: callIds.map((callId) => ({
      id: callId,
      name: "search",
      args: { q: callId },
      type: "tool_call",
    })),
  });
export const tool = (id: string, callId: string, text = `result ${id}`): BaseMessage =>
  new ToolMessage({ id, tool_call_id: callId, name: "search", content: text });

export const ids = (messages: readonly BaseMessage[]): string[] =>
  messages.map((message) => message.id ?? "");

/** What a message says and is, for comparing lists by value. */
export const plain = (messages: readonly BaseMessage[]): unknown[] =>
  messages.map((message) => JSON.parse(JSON.stringify(message.toDict())));

/** Four characters a token; counts how often it was asked. */
export function charCounter(name = "chars/4"): TokenCounter & { asked: number } {
  return {
    name,
    exact: false,
    asked: 0,
    countText: (text) => Math.ceil(text.length / 4),
    countMessage(message) {
      this.asked++;
      const calls = (message as AIMessage).tool_calls ?? [];
      const content = typeof message.content === "string" ? message.content : JSON.stringify(message.content);
      return 4 + Math.ceil((content.length + (calls.length ? JSON.stringify(calls).length : 0)) / 4);
    },
    countTools: (tools) => Math.ceil(JSON.stringify(tools).length / 4),
  };
}
