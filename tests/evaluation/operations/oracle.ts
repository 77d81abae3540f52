/** A model that knows the right move of a situation, and makes it through whichever protocol asks. */
import { AIMessage, type BaseMessage } from "@langchain/core/messages";
import {
  ADDED_ID,
  type CallCheck,
  type OperationSituation,
  type RightMove,
} from "../../../src/evaluation/operations/situation.js";
import { ScriptedChatModel } from "../../../src/testing/scripted-model.js";
import { PAPER_TOOL_NAMES } from "../../../src/types.js";

/** Plays `move` of the situation, by default the first right one. */
export function oracle(
  situation: OperationSituation,
  protocol: "native" | "text",
  move?: RightMove,
): ScriptedChatModel {
  const played = move ?? (situation.right[0] as RightMove);
  return new ScriptedChatModel([(messages) => respond(played, protocol, messages)]);
}

function respond(move: RightMove, protocol: "native" | "text", messages: readonly BaseMessage[]): AIMessage {
  const calls = move.calls.map((check) => ({
    name: PAPER_TOOL_NAMES[check.op],
    args: argsOf(check, messages),
  }));
  const answer = move.answer?.mentionsAny?.[0] ?? "All right.";
  if (protocol === "text") {
    const list = calls.map(({ name, args }) => ({ name, arguments: args }));
    const act = calls.length
      ? `<tool_call>${JSON.stringify(list)}</tool_call>`
      : `<answer>${answer}</answer>`;
    return new AIMessage(`<think>I know.</think>${act}`);
  }
  if (calls.length === 0) return new AIMessage(answer);
  return new AIMessage({
    content: "",
    tool_calls: calls.map((call, i) => ({ type: "tool_call" as const, id: `o${i}`, ...call })),
  });
}

function argsOf(check: CallCheck, messages: readonly BaseMessage[]): Record<string, unknown> {
  const text = [...(check.mentions ?? []), ...(check.mentionsAny?.slice(0, 1) ?? [])].join(" ");
  switch (check.op) {
    case "ADD":
      return { content: text };
    case "UPDATE":
      return { memory_id: idOf(check, messages), content: text };
    case "DELETE":
      return { memory_id: idOf(check, messages), confirmation: true };
    case "RETRIEVE":
      return { query: text };
    case "SUMMARY":
      return { span: "all" };
    case "FILTER":
      return { criteria: text };
  }
}

/** As a model finds it: in what the tools have answered. */
function idOf({ memoryId }: CallCheck, messages: readonly BaseMessage[]): string {
  const shown = messages.map((message) => message.text).join("\n");
  const id = memoryId === ADDED_ID ? /Stored as memory (\w+)/.exec(shown)?.[1] : memoryId;
  if (id === undefined || !shown.includes(id)) throw new Error(`the context does not show ${memoryId}`);
  return id;
}
