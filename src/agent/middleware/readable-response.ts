/**
 * A response whose calls can be trusted, for agents whose calls are run by other code (`ageMemMiddleware`).
 *
 * Owns the one repetition and what is left when it is no better. The graph of this package does the same in think.
 */
import { AIMessage, type BaseMessage, HumanMessage } from "@langchain/core/messages";
import { providerView } from "../../context/provider-view.js";
import { callProblem, withoutCalls } from "../../models/response-problem.js";
import { repairPrompt } from "../../prompts.js";
import { FORMAT_ERROR_KEY } from "../../types.js";
import { withIds } from "../calls.js";

/**
 * Asks, and when the calls of the response cannot be trusted (cut off, arguments that are not JSON objects) asks once
 * more, outside of the context. A second such response comes back without calls, marked with `FORMAT_ERROR_KEY`.
 */
export async function readableResponse<R>(
  ask: (messages: BaseMessage[]) => R | Promise<R>,
  messages: BaseMessage[],
): Promise<R | AIMessage> {
  const first = await ask(messages);
  const problem = problemOf(first);
  if (problem === undefined) return withCallIds(first);
  const repair = new HumanMessage(repairPrompt(problem, "native"));
  const second = await ask(providerView([...messages, withoutCalls(first as AIMessage), repair]));
  const again = problemOf(second);
  if (again === undefined) return withCallIds(second);
  const kept = withoutCalls(second as AIMessage);
  kept.additional_kwargs = { ...kept.additional_kwargs, [FORMAT_ERROR_KEY]: again };
  return kept;
}

/** An answer finds its call by the id: one is derived where a model gave none, or one twice. */
function withCallIds<R>(response: R): R {
  if (AIMessage.isInstance(response) && response.tool_calls?.length) {
    response.tool_calls = withIds(response.tool_calls, response.id);
  }
  return response;
}

/** langchain may have made a structured answer of the response already; then there is nothing to run. */
function problemOf(response: unknown): string | undefined {
  return AIMessage.isInstance(response) ? callProblem(response) : undefined;
}
