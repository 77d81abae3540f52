/**
 * Token accounting of the context: the facts kept per message, and the limit of a prompt.
 *
 * Owns those facts (count, origin, place in the thread) and their reducer. A message is counted once; later steps only
 * compare fingerprints. Leaves out how one message is counted (`message-tokens.ts`).
 */
import type { BaseMessage } from "@langchain/core/messages";
import type { MessageFact, MessageFacts, TokenCounter } from "../types.js";
import { fingerprint } from "./fingerprint.js";
import { measureMessage } from "./message-tokens.js";
import { idOf, originOf } from "./messages.js";

/** How many tokens the context may take. */
export interface ContextBudget {
  /** Prompt and response together, in tokens (the paper's T_max). */
  maxTokens: number;
  /** How many of them are reserved for the response. */
  responseTokens: number;
}

/** The paper's setting: 8,192 tokens, 2,048 of them for the response. */
export const DEFAULT_BUDGET: Readonly<ContextBudget> = { maxTokens: 8192, responseTokens: 2048 };

/** Facts by message id, to be merged by {@link reduceFacts}; null deletes. */
export type FactsUpdate = Record<string, MessageFact | null>;

/** What {@link countMessages} returns. */
export interface MessageCount {
  /** Tokens of all messages. */
  total: number;
  /** Facts of exactly these messages; the object passed in if nothing changed. */
  readonly facts: MessageFacts;
  /** The changes as an update of the state channel; empty if nothing changed. */
  update: FactsUpdate;
}

/**
 * Counts messages, reusing `facts`: a message is counted again only if it has changed or was counted by another
 * counter. Pass the whole context, because facts of messages not in the list are dropped.
 *
 * @throws TypeError if a message has no id
 * @example
 * const { total, facts } = countMessages(state.messages, state.facts, counter);
 */
export function countMessages(
  messages: readonly BaseMessage[],
  facts: Readonly<MessageFacts>,
  counter: TokenCounter,
): MessageCount {
  const update: FactsUpdate = {};
  const places = positionsOf(messages, facts);
  let total = 0;
  let kept = 0;
  messages.forEach((message, i) => {
    const id = idOf(message);
    const known = facts[id];
    const check = fingerprint(message, counter.name);
    const position = places[i] as number;
    const fresh = known?.check === check;
    if (known) kept++;
    if (known && fresh && known.position === position) {
      total += known.tokens;
      return;
    }
    const tokens = known && fresh ? known.tokens : measureMessage(message, counter, check).tokens;
    update[id] = { ...known, tokens, origin: known?.origin ?? originOf(message), check, position };
    total += tokens;
  });
  const ids = Object.keys(facts);
  if (kept < ids.length) {
    const present = new Set(messages.map(idOf));
    for (const id of ids) if (!present.has(id)) update[id] = null;
  }
  let merged: MessageFacts | undefined;
  return {
    total,
    // Lazy, so that a caller that only wants the total copies nothing.
    get facts() {
      merged ??= reduceFacts(facts as MessageFacts, update);
      return merged;
    },
    update,
  };
}

/**
 * The place of each message in the thread: the known one if it agrees with the order of the list, otherwise one
 * between its neighbors. Messages at the end come after everything the thread has ever held.
 */
function positionsOf(messages: readonly BaseMessage[], facts: Readonly<MessageFacts>): number[] {
  const places: (number | undefined)[] = [];
  let last = Number.NEGATIVE_INFINITY;
  let highest = 0;
  for (const message of messages) {
    const fact = facts[idOf(message)];
    const known = fact?.position;
    const usable = known !== undefined && known >= last;
    places.push(usable ? known : undefined);
    if (usable) last = known;
    highest = Math.max(highest, known ?? 0, fact?.positionEnd ?? 0);
  }
  for (let i = 0; i < places.length; i++) {
    if (places[i] !== undefined) continue;
    let end = i;
    while (end < places.length && places[end] === undefined) end++;
    const gap = end - i + 1;
    const after = places[end];
    const before = places[i - 1] ?? (after === undefined ? 0 : after - gap);
    for (let k = i; k < end; k++) {
      places[k] =
        after === undefined
          ? Math.floor(highest) + (k - i + 1)
          : before + ((after - before) * (k - i + 1)) / gap;
    }
    i = end;
  }
  return places as number[];
}

/** How many tokens a prompt may have. Throws `RangeError` if the budget leaves none. */
export function promptLimit(budget: ContextBudget): number {
  const { maxTokens, responseTokens } = budget;
  if (Number.isFinite(maxTokens) && responseTokens >= 0 && maxTokens > responseTokens)
    return maxTokens - responseTokens;
  throw new RangeError(
    `A budget of ${maxTokens} tokens with ${responseTokens} for the response leaves none for the prompt. Raise maxTokens or lower responseTokens.`,
  );
}

/** Reducer of the facts channel: keyed by message id, idempotent; null deletes. Returns `current` itself if nothing changes. */
export function reduceFacts(current: MessageFacts, update: FactsUpdate): MessageFacts {
  let next: MessageFacts | undefined;
  for (const [id, fact] of Object.entries(update)) {
    if (fact === null ? !(id in current) : current[id] === fact) continue;
    next ??= copyOf(current);
    if (fact === null) delete next[id];
    else next[id] = fact;
  }
  return next ?? current;
}

/**
 * A copy that V8 keeps as a dictionary from the first key. Spreading would first create a hidden class per key, which
 * takes five times as long for a thousand messages, and this runs at every step.
 */
function copyOf(facts: MessageFacts): MessageFacts {
  const copy: MessageFacts = Object.create(null);
  for (const id of Object.keys(facts)) copy[id] = facts[id] as MessageFact;
  return Object.setPrototypeOf(copy, Object.prototype);
}
