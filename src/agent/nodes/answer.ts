/** The answer node: records how the invocation ended, and leaves a history that any provider accepts. */
import { ToolMessage } from "@langchain/core/messages";
import type { ToolCall } from "@langchain/core/messages/tool";
import type { LangGraphRunnableConfig } from "@langchain/langgraph";
import { ownerOf } from "../../lib/run-owner.js";
import { modelCallConfig } from "../../tools/tracing.js";
import { directAnswer, hasFormatError, newestResponse, openCalls } from "../calls.js";
import type { AgentParts } from "../parts.js";
import type { AgentStateUpdate, AgentStateValue } from "../state.js";
import { addModelCall, type Caller, withCost } from "../usage.js";

/** Builds the node. */
export function answerNode(parts: AgentParts) {
  return async (state: AgentStateValue, config: LangGraphRunnableConfig): Promise<AgentStateUpdate> => {
    ownerOf(parts.kit.namespace, config, state.memoryOwner);
    const direct = directAnswer(state.messages, parts.direct);
    const ended = direct === undefined ? endOf(parts, state) : answeredBy(direct);
    if (ended.status !== "answered" || !parts.structure) return ended;
    const started = Date.now();
    const traced = modelCallConfig(config, parts.kit.store);
    const { value, error, raw } = await parts.structure(parts.system, state.messages, traced);
    const structure = {
      structuredResponse: value ?? null,
      structuredError: error ? { code: error.code, message: error.message } : null,
    };
    if (!raw) return { ...ended, ...structure };
    const caller: Caller = { role: "auxiliary", model: parts.models.policy, keys: ["AUX"] };
    const usage = addModelCall(state.usage, raw, Date.now() - started, caller);
    return { ...ended, ...structure, usage: withCost(usage, parts.prices) };
  };
}

function endOf(parts: AgentParts, { messages }: AgentStateValue): AgentStateUpdate {
  const response = newestResponse(messages);
  const open = openCalls(messages);
  if (open.length > 0) {
    const notes = open.map((call) => notRun(call, response?.id));
    return { status: "max_steps", finalAnswer: null, messages: notes };
  }
  if (hasFormatError(messages)) return { status: "format_error", finalAnswer: null };
  if (!response || response !== messages.at(-1)) return { status: "max_steps", finalAnswer: null };
  return answeredBy(parts.protocol.read(response).answer);
}

function answeredBy(finalAnswer: string | null): AgentStateUpdate {
  return { status: "answered", finalAnswer };
}

/** The answer to a call made after the last step, so that the history is valid for the next invocation. */
function notRun(call: ToolCall, responseId: string | undefined): ToolMessage {
  return new ToolMessage({
    id: `${responseId}-${call.id}-not-run`,
    name: call.name,
    content: "Not run: the step limit was reached.",
    status: "error",
    tool_call_id: call.id ?? "",
  });
}
