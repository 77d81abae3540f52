/** The answer node: says how the invocation ended and leaves a history that any provider accepts. */
import { AIMessage, type BaseMessage, ToolMessage } from "@langchain/core/messages";
import { FORMAT_ERROR_KEY } from "../types.js";
import type { AgentParts } from "./parts.js";
import type { AgentStateUpdate, AgentStateValue, AgentStatus } from "./state.js";

/** Builds the node. */
export function answerNode(parts: AgentParts) {
  return (state: AgentStateValue): AgentStateUpdate => {
    const last = state.messages.at(-1);
    if (!last || !AIMessage.isInstance(last)) return { status: "max_steps", finalAnswer: null };
    const calls = last.tool_calls ?? [];
    if (calls.length > 0) {
      return {
        status: "max_steps",
        finalAnswer: null,
        messages: calls.map((call) => notRun(last, call.id, call.name)),
      };
    }
    const status: AgentStatus = last.additional_kwargs[FORMAT_ERROR_KEY] ? "format_error" : "answered";
    return { status, finalAnswer: status === "answered" ? parts.protocol.read(last).answer : null };
  };
}

/** A call that came after the last step: answered, so that the history stays valid for the next invocation. */
function notRun(request: BaseMessage, callId: string | undefined, name: string): ToolMessage {
  return new ToolMessage({
    id: `${request.id}-${callId}-not-run`,
    name,
    content: "Not run: the step limit was reached.",
    status: "error",
    tool_call_id: callId ?? "",
  });
}
