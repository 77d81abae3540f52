/**
 * What one message costs: the only place that asks a counter for it.
 *
 * A message object is counted once per counter, and again when what a model sees of it has changed. Leaves out sums and
 * the facts of the state (`budget.ts`).
 */
import type { BaseMessage } from "@langchain/core/messages";
import type { MessageFact, TokenCounter } from "../types.js";
import { fingerprint } from "./fingerprint.js";

/** Tokens of a message, and the fingerprint they belong to. */
export type MessageSize = Required<Pick<MessageFact, "tokens" | "check">>;

const known = new WeakMap<TokenCounter, WeakMap<BaseMessage, MessageSize>>();

/**
 * Counts a message.
 *
 * @param check its fingerprint, where the caller has it
 */
export function measureMessage(
  message: BaseMessage,
  counter: TokenCounter,
  check = fingerprint(message, counter.name),
): MessageSize {
  let sizes = known.get(counter);
  if (!sizes) {
    sizes = new WeakMap();
    known.set(counter, sizes);
  }
  const before = sizes.get(message);
  if (before?.check === check) return before;
  const size = { tokens: counter.countMessage(message), check };
  sizes.set(message, size);
  return size;
}

/** Tokens of messages that have no facts, such as those that a middleware is shown. */
export function tokensOf(messages: readonly BaseMessage[], counter: TokenCounter): number {
  return messages.reduce((sum, message) => sum + measureMessage(message, counter).tokens, 0);
}
