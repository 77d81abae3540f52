/** The answer node: says how the invocation ended and leaves a history that any provider accepts. */
import { ToolMessage } from "@langchain/core/messages";
import type { ToolCall } from "@langchain/core/messages/tool";
import type { LangGraphRunnableConfig } from "@langchain/langgraph";
import { modelCallConfig } from "../tools/tracing.js";
import { hasFormatError, newestResponse, openCalls } from "./calls.js";
import type { AgentParts } from "./parts.js";
import type { AgentStateUpdate, AgentStateValue } from "./state.js";
import { addModelCall, type Caller, withCost } from "./usage.js";

/** Builds the node. */
export function answerNode(parts: AgentParts) {
  return async (state: AgentStateValue, config: LangGraphRunnableConfig): Promise<AgentStateUpdate> => {
    const response = newestResponse(state.messages);
    const open = openCalls(state.messages);
    if (open.length > 0) {
      return {
        status: "max_steps",
        finalAnswer: null,
        messages: open.map((call) => notRun(call, response?.id)),
      };
    }
    if (hasFormatError(state.messages)) return { status: "format_error", finalAnswer: null };
    if (!response || response !== state.messages.at(-1)) return { status: "max_steps", finalAnswer: null };
    const answered: AgentStateUpdate = {
      status: "answered",
      finalAnswer: parts.protocol.read(response).answer,
    };
    if (!parts.structure) return answered;
    const started = parts.kit.now();
    const { value, raw } = await parts.structure(state.messages, modelCallConfig(config, parts.kit.store));
    const caller: Caller = { role: "auxiliary", model: parts.models.policy, keys: ["AUX"] };
    const usage = addModelCall(state.usage, raw, parts.kit.now() - started, caller);
    return { ...answered, structuredResponse: value, usage: withCost(usage, parts.prices) };
  };
}

/** A call that came after the last step: answered, so that the history stays valid for the next invocation. */
function notRun(call: ToolCall, responseId: string | undefined): ToolMessage {
  return new ToolMessage({
    id: `${responseId}-${call.id}-not-run`,
    name: call.name,
    content: "Not run: the step limit was reached.",
    status: "error",
    tool_call_id: call.id ?? "",
  });
}
