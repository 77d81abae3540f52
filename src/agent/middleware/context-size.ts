/**
 * The options `trigger` (when) and `keep` (how much), in the shape of langchain's summarization and context editing.
 *
 * Owns their meaning here: a fraction refers to the agent's token budget, which exists for every model.
 */
import type { BaseMessage } from "@langchain/core/messages";
import { ConfigError } from "../../errors.js";

/** A condition: every given size must be reached. */
export interface ContextSize {
  /** Share of the token budget, above 0 and up to 1. */
  fraction?: number;
  tokens?: number;
  messages?: number;
}

/** How much of the context to keep: exactly one of the three. */
export type KeepSize = { fraction: number } | { tokens: number } | { messages: number };

/** The conditions of a trigger, any of which suffices. Throws `AGEMEM_CONFIG_INVALID` for an unusable one. */
export function triggerConditions(trigger: ContextSize | readonly ContextSize[]): ContextSize[] {
  const conditions = [trigger].flat() as ContextSize[];
  for (const condition of conditions) {
    const sizes = Object.values(condition).filter((size) => size !== undefined);
    if (sizes.length > 0 && sizes.every(isSize) && (condition.fraction ?? 1) <= 1) continue;
    throw invalid("trigger", condition);
  }
  return conditions;
}

/** Returns `keep`. Throws `AGEMEM_CONFIG_INVALID` if it is unusable. */
export function checkKeep(keep: KeepSize): KeepSize {
  const sizes = Object.entries(keep).filter(([, size]) => size !== undefined);
  const [[name, size] = ["", 0], ...more] = sizes;
  if (more.length === 0 && isSize(size) && (name !== "fraction" || size <= 1)) return keep;
  throw invalid("keep", keep);
}

/** Whether any condition holds. */
export function isReached(
  conditions: readonly ContextSize[],
  now: { tokens: number; messages: number },
  maxTokens: number,
): boolean {
  return conditions.some(
    ({ fraction, tokens, messages }) =>
      (fraction === undefined || now.tokens >= fraction * maxTokens) &&
      (tokens === undefined || now.tokens >= tokens) &&
      (messages === undefined || now.messages >= messages),
  );
}

/** The newest messages that fit into `keep`. */
export function newestWithin(
  messages: readonly BaseMessage[],
  keep: KeepSize,
  tokensOf: (message: BaseMessage) => number,
  maxTokens: number,
): BaseMessage[] {
  if ("messages" in keep) return messages.slice(-keep.messages);
  let left = "tokens" in keep ? keep.tokens : keep.fraction * maxTokens;
  const from = messages.findLastIndex((message) => {
    left -= tokensOf(message);
    return left < 0;
  });
  return messages.slice(from + 1);
}

function isSize(size: unknown): size is number {
  return typeof size === "number" && Number.isFinite(size) && size > 0;
}

function invalid(name: string, given: object): ConfigError {
  return new ConfigError("AGEMEM_CONFIG_INVALID", `The ${name} ${JSON.stringify(given)} is not usable`, {
    remedy: "Give positive numbers for tokens or messages, or a fraction of the budget up to 1.",
    details: { [name]: given },
  });
}
