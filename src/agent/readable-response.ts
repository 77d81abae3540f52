/**
 * A response whose calls can be trusted, for agents whose calls are run by other code (`ageMemMiddleware`).
 *
 * Owns the one repetition and what is left when it is no better. The graph of this package does the same in think.
 */
import { AIMessage, type BaseMessage, HumanMessage } from "@langchain/core/messages";
import { providerView } from "../context/provider-view.js";
import { callProblem, withoutCalls } from "../models/response-problem.js";
import { repairPrompt } from "../prompts.js";
import { FORMAT_ERROR_KEY } from "../types.js";

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
  if (problem === undefined) return first;
  const repair = new HumanMessage(repairPrompt(problem, "native"));
  const second = await ask(providerView([...messages, withoutCalls(first as AIMessage), repair]));
  const again = problemOf(second);
  if (again === undefined) return second;
  const kept = withoutCalls(second as AIMessage);
  kept.additional_kwargs = { ...kept.additional_kwargs, [FORMAT_ERROR_KEY]: again };
  return kept;
}

/** langchain may have made a structured answer of the response already; then there is nothing to run. */
function problemOf(response: unknown): string | undefined {
  return AIMessage.isInstance(response) ? callProblem(response) : undefined;
}
