/**
 * Gets a response whose calls can be trusted, for agents whose calls are run by other code (`ageMemMiddleware`).
 *
 * Owns asking once more, and what is kept of a second bad response. The graph of this package does the same in its
 * think node.
 */
import { AIMessage, type BaseMessage, HumanMessage } from "@langchain/core/messages";
import { providerView } from "../../context/provider-view.js";
import { callProblem, withoutCalls } from "../../models/response-problem.js";
import { repairPrompt } from "../../prompts.js";
import { FORMAT_ERROR_KEY } from "../../types.js";
import { withIds } from "../calls.js";

/**
 * Asks the model. If the calls of its response cannot be trusted (cut off, arguments that are not JSON objects), asks once
 * more; this exchange stays out of the context. A second such response is returned without calls, marked with
 * `FORMAT_ERROR_KEY`.
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

/** Gives every call an id of its own, by which answers refer to it. */
function withCallIds<R>(response: R): R {
  if (AIMessage.isInstance(response) && response.tool_calls?.length) {
    response.tool_calls = withIds(response.tool_calls, response.id);
  }
  return response;
}

/** What is wrong with the response. langchain may have turned it into a structured answer, which has no calls. */
function problemOf(response: unknown): string | undefined {
  return AIMessage.isInstance(response) ? callProblem(response) : undefined;
}
