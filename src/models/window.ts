/**
 * The context window of a chat model, read from its LangChain profile. Pure.
 *
 * Leaves out the budget of a model without a profile (`tools/budget.ts`).
 */
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";

/** Sizes in tokens. */
export interface ModelWindow {
  /** Prompt and response together. */
  window: number;
  /** Maximum response: the model's `maxTokens`, else the profile's; undefined if neither is set. */
  response: number | undefined;
}

/**
 * The window of a model; undefined if its profile gives none, as for most self-hosted models.
 *
 * @example
 * modelWindow(new ChatOpenAI({ model: "gpt-4o-mini" })); // { window: 128000, response: 16384 }
 */
export function modelWindow(model: BaseChatModel): ModelWindow | undefined {
  // Models from older LangChain versions, and test doubles, lack the getter.
  const { maxInputTokens, maxOutputTokens } = (model.profile ?? {}) as Record<string, unknown>;
  if (!isSize(maxInputTokens)) return undefined;
  const { maxTokens } = model as { maxTokens?: unknown };
  return { window: maxInputTokens, response: [maxTokens, maxOutputTokens].find(isSize) };
}

function isSize(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0;
}
