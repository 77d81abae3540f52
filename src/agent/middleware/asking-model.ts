/**
 * Which model asked for a tool call, so that the same model writes the summary it asked for.
 *
 * An agent may use a different model at each step, and concurrent runs share one middleware. So nothing is kept per run:
 * the response carries a name for its model. Owns these names, which mean nothing in another process.
 */
import { randomUUID } from "node:crypto";
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { AIMessage, type BaseMessage } from "@langchain/core/messages";
import { LRUCache } from "lru-cache";

/** `additional_kwargs` key of a response that calls tools. */
const MODEL_KEY = "agemem_model";

const names = new WeakMap<BaseChatModel, string>();
const models = new LRUCache<string, BaseChatModel>({ max: 1000 });

/** Notes on a response which model writes the summaries it asks for. */
export function noteModel(response: AIMessage, model: BaseChatModel): void {
  if (!response.tool_calls?.length) return;
  const name = names.get(model) ?? randomUUID();
  names.set(model, name);
  models.set(name, model);
  response.additional_kwargs = { ...response.additional_kwargs, [MODEL_KEY]: name };
}

/** The model noted on the newest response; undefined if that came from another process. */
export function notedModel(messages: readonly BaseMessage[]): BaseChatModel | undefined {
  const response = messages.findLast((message) => AIMessage.isInstance(message));
  const name = response?.additional_kwargs[MODEL_KEY];
  return typeof name === "string" ? models.get(name) : undefined;
}
