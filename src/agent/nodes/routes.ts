/** Which node comes next, for the graph and for the plain loop of rollouts. Pure. */
import { directAnswer, hasFormatError, openCalls } from "../calls.js";
import type { AgentParts } from "../parts.js";
import type { AgentStateValue } from "../state.js";

type Config = Parameters<AgentParts["limits"]>[0];

/** After think: tool if the response has calls. At the last step, where an "answer" was asked for, calls are not run. */
export function afterThink(parts: AgentParts, state: AgentStateValue, config: Config): "tool" | "answer" {
  if (hasFormatError(state.messages) || openCalls(state.messages).length === 0) return "answer";
  const { maxSteps, onMaxSteps } = parts.limits(config);
  return state.steps >= maxSteps && onMaxSteps === "answer" ? "answer" : "tool";
}

/** After tool: the remaining calls, then the answer if a tool gave it directly, then the model while it has steps left. */
export function afterTool(
  parts: AgentParts,
  state: AgentStateValue,
  config: Config,
): "tool" | "think" | "answer" {
  if (openCalls(state.messages).length > 0) return "tool";
  if (directAnswer(state.messages, parts.direct) !== undefined) return "answer";
  return state.steps >= parts.limits(config).maxSteps ? "answer" : "think";
}
