/**
 * The overflow guard's choice: which of the oldest messages a summary replaces so that the context fits again.
 *
 * Owns that choice. Pure. Leaves out writing and recording the summary (`tools/overflow.ts`).
 */
import type { BaseMessage } from "@langchain/core/messages";
import type { MessageFacts, TokenCounter } from "../../types.js";
import { type ContextBudget, countMessages, promptLimit } from "../budget.js";
import { idOf, isSummary, newestUserMessage } from "../messages.js";
import { atomicUnits, protectedIds, runningExchange, splitRounds } from "../rounds.js";
import { makeSummaryPlan, type SummaryPlan } from "./summary.js";

export interface EmergencyOptions {
  facts: Readonly<MessageFacts>;
  counter: TokenCounter;
  budget: ContextBudget;
  /** Tokens of the system prompt and tool schemas sent with the messages. Default 0. */
  overheadTokens?: number;
  protectIds?: Iterable<string>;
  /** Share of the limit to shrink to; below 1, so that the guard does not fire at every step. Default 0.7. */
  target?: number;
  /** Tokens the summary may take. Default: an eighth of the limit, at most 1,024. */
  summaryTokens?: number;
}

/** Freeing this few tokens is not worth a summary, which would hardly be shorter. */
const LEAST = 64;
/** If the messages that must stay exceed the limit, the rest is summarized once it takes this share of the limit. */
const WORTHWHILE = 0.25;

/**
 * Plans a summary of the oldest rounds, and in the current round of the oldest messages, that would bring the prompt
 * down to the target, or of everything removable if that is not enough. Undefined if the prompt fits its limit, or if
 * a summary would not help.
 *
 * The exchange in progress always stays, because the model has not read its results. If what must stay exceeds the
 * limit by itself (a long user message, many tools), no summary makes the prompt fit; then the rest is only kept from
 * growing: it is summarized when it reaches a quarter of the limit.
 *
 * @throws RangeError if the budget leaves nothing for the prompt
 */
export function emergencyPlan(
  messages: readonly BaseMessage[],
  options: EmergencyOptions,
): SummaryPlan | undefined {
  const limit = promptLimit(options.budget);
  const { total, facts } = countMessages(messages, options.facts, options.counter);
  const now = total + (options.overheadTokens ?? 0);
  if (now <= limit) return undefined;
  const allowance = options.summaryTokens ?? Math.min(1024, Math.floor(limit / 8));
  const excess = now + allowance - limit * (options.target ?? 0.7);
  const kept = staying(messages, options.protectIds);
  const ids = oldest(messages, facts, excess, kept);
  const going = messages.filter((message) => ids.has(idOf(message)));
  if (going.length === 0 || (going.length === 1 && isSummary(going[0] as BaseMessage))) return undefined;
  const freed = going.reduce((sum, message) => sum + (facts[idOf(message)]?.tokens ?? 0), 0);
  const fits = now - freed + allowance <= limit;
  if (freed <= Math.min(LEAST, allowance) || (!fits && freed < limit * WORTHWHILE)) return undefined;
  return makeSummaryPlan(messages, ids, { kind: "rounds", n: splitRounds(going).length });
}

function staying(messages: readonly BaseMessage[], protectIds: Iterable<string> = []): Set<string> {
  return protectedIds(messages, [...protectIds, ...runningExchange(messages)]);
}

/** Tokens that no summary can free, by kind. */
export interface FixedTokens {
  overhead: number;
  user: number;
  exchange: number;
  /** Other messages that stay: system messages and the caller's `protectIds`. */
  other: number;
  total: number;
}

/** What {@link emergencyPlan} must leave in the prompt. */
export function fixedTokens(
  messages: readonly BaseMessage[],
  options: Pick<EmergencyOptions, "facts" | "counter" | "overheadTokens" | "protectIds">,
): FixedTokens {
  const { facts } = countMessages(messages, options.facts, options.counter);
  const kept = staying(messages, options.protectIds);
  const running = runningExchange(messages);
  const newest = newestUserMessage(messages);
  const fixed = { overhead: options.overheadTokens ?? 0, user: 0, exchange: 0, other: 0 };
  for (const message of messages) {
    const id = idOf(message);
    if (!kept.has(id)) continue;
    const part = message === newest ? "user" : running.has(id) ? "exchange" : "other";
    fixed[part] += facts[id]?.tokens ?? 0;
  }
  return { ...fixed, total: fixed.overhead + fixed.user + fixed.exchange + fixed.other };
}

/** Takes whole rounds, oldest first, but the last round unit by unit: its newest messages are the work in progress. */
function oldest(
  messages: readonly BaseMessage[],
  facts: MessageFacts,
  excess: number,
  kept: ReadonlySet<string>,
): Set<string> {
  const chosen = new Set<string>();
  let freed = 0;
  const take = (ids: string[]): void => {
    for (const id of ids) {
      if (kept.has(id) || chosen.has(id)) continue;
      chosen.add(id);
      freed += facts[id]?.tokens ?? 0;
    }
  };
  const rounds = splitRounds(messages);
  const units = atomicUnits(messages).map((unit) => unit.messages.map(idOf));
  const unitOf = new Map(units.flatMap((ids) => ids.map((id) => [id, ids] as const)));
  for (const [i, round] of rounds.entries()) {
    const ids = round.messages.map(idOf);
    if (i < rounds.length - 1) {
      if (freed >= excess) break;
      take(ids.flatMap((id) => unitOf.get(id) ?? []));
      continue;
    }
    for (const id of ids) {
      if (freed >= excess) break;
      take(unitOf.get(id) ?? []);
    }
  }
  return chosen;
}
