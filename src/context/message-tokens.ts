/**
 * How many tokens a message takes: the only place where a counter is asked.
 *
 * Owns the cache: a message object is counted once per counter, and again if its fingerprint has changed. Leaves out
 * totals and the facts in the state (`budget.ts`).
 */
import type { BaseMessage } from "@langchain/core/messages";
import type { MessageFact, TokenCounter } from "../types.js";
import { fingerprint } from "./fingerprint.js";

/** A message's token count and the fingerprint it was counted for. */
export type MessageSize = Required<Pick<MessageFact, "tokens" | "check">>;

const known = new WeakMap<TokenCounter, WeakMap<BaseMessage, MessageSize>>();

/**
 * Counts a message.
 *
 * @param check its fingerprint, if the caller has it already
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

/** Total tokens of messages without facts, such as those a middleware receives. */
export function tokensOf(messages: readonly BaseMessage[], counter: TokenCounter): number {
  return messages.reduce((sum, message) => sum + measureMessage(message, counter).tokens, 0);
}
