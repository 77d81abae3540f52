/**
 * What a chat model can read and write at once, as LangChain's profiles of models know it. Pure.
 *
 * Owns the reading of a profile. Leaves out what becomes of a model that has none (`tools/budget.ts`).
 */
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";

/** Sizes in tokens. */
export interface ModelWindow {
  /** Prompt and response together. */
  window: number;
  /** Longest response; undefined where neither the profile nor the model's own settings say. */
  response: number | undefined;
}

/**
 * The window of a model; undefined where its profile does not say, as for most models behind a server of one's own.
 *
 * @example
 * modelWindow(new ChatOpenAI({ model: "gpt-4o-mini" })); // { window: 128000, response: 16384 }
 */
export function modelWindow(model: BaseChatModel): ModelWindow | undefined {
  // Not every model in use has the getter: some come from older versions of LangChain, or stand in for one.
  const { maxInputTokens, maxOutputTokens } = (model.profile ?? {}) as Record<string, unknown>;
  if (!isSize(maxInputTokens)) return undefined;
  const { maxTokens } = model as { maxTokens?: unknown };
  return { window: maxInputTokens, response: [maxTokens, maxOutputTokens].find(isSize) };
}

function isSize(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0;
}
