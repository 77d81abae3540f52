/**
 * The structure of a chat history: rounds (which SUMMARY counts) and atomic units (which no edit may split).
 *
 * Owns both, and which messages no edit may remove. Pure. Leaves out whether a history is valid (`validity.ts`).
 */
import type { BaseMessage } from "@langchain/core/messages";
import {
  answeredCallOf,
  callsOf,
  idOf,
  isSummary,
  isUserMessage,
  newestUserMessage,
  SUMMARY_KEY,
} from "./messages.js";

/** A user message with the assistant and tool messages that follow it. */
export interface Round {
  /** "lead": precedes the first user message; "summary": begins with a summary of whole earlier rounds. */
  kind: "lead" | "user" | "summary";
  /** The user message; undefined for "lead" and "summary". */
  user: BaseMessage | undefined;
  /** All messages of the round in order, including the user message. */
  messages: BaseMessage[];
}

/** Messages that must stay or go together, in order. */
export interface Unit {
  /** "exchange": a call with its answers; "orphan": an answer without its call; "single": anything else. */
  kind: "exchange" | "orphan" | "single";
  messages: BaseMessage[];
  /** Calls of the exchange that have no answer yet; empty for other kinds. */
  pending: string[];
}

/**
 * Splits a history into rounds, oldest first. System messages belong to no round. A summary of whole rounds starts a
 * round of its own; a summary of the middle of a round belongs to that round.
 *
 * @example
 * splitRounds([system, user1, answer1, user2]).map((r) => r.messages.length); // [2, 1]
 */
export function splitRounds(messages: readonly BaseMessage[]): Round[] {
  const rounds: Round[] = [];
  for (const message of messages) {
    if (message.type === "system") continue;
    if (isUserMessage(message)) {
      rounds.push({ kind: "user", user: message, messages: [message] });
    } else if (isSummary(message) && (standsForRounds(message) || rounds.length === 0)) {
      rounds.push({ kind: "summary", user: undefined, messages: [message] });
    } else {
      const last = rounds.at(-1);
      if (last) last.messages.push(message);
      else rounds.push({ kind: "lead", user: undefined, messages: [message] });
    }
  }
  return rounds;
}

function standsForRounds(summary: BaseMessage): boolean {
  const info = summary.additional_kwargs[SUMMARY_KEY] as { rounds?: unknown } | undefined;
  return typeof info?.rounds === "number" ? info.rounds > 0 : true;
}

/**
 * Groups messages that must stay or go together: an assistant message with tool calls and all answers to them, even
 * repeated or misplaced ones. An answer without an earlier call, and any other message, is a unit by itself. Ordered by
 * first message. If a call id is reused, later answers belong to the newer assistant message.
 */
export function atomicUnits(messages: readonly BaseMessage[]): Unit[] {
  const units: Unit[] = [];
  const byCall = new Map<string, Unit>();
  for (const message of messages) {
    const answers = answeredCallOf(message);
    if (answers !== undefined) {
      const unit = byCall.get(answers);
      if (unit) {
        unit.messages.push(message);
        unit.pending = unit.pending.filter((id) => id !== answers);
      } else {
        units.push({ kind: "orphan", messages: [message], pending: [] });
      }
      continue;
    }
    const calls = callsOf(message);
    const pending = calls.map((call) => call.id).filter((id) => id !== undefined);
    const unit: Unit = { kind: calls.length > 0 ? "exchange" : "single", messages: [message], pending };
    for (const id of pending) byCall.set(id, unit);
    units.push(unit);
  }
  return units;
}

/**
 * Ids of the exchange in progress, whose results the model has not read yet: the newest assistant message and all that
 * follows, if that message has tool calls; otherwise none.
 */
export function runningExchange(messages: readonly BaseMessage[]): Set<string> {
  const start = messages.findLastIndex((message) => message.type === "ai");
  const calls = start >= 0 && callsOf(messages[start] as BaseMessage).length > 0;
  return new Set(calls ? messages.slice(start).map(idOf) : []);
}

/**
 * Ids that no edit may remove: system messages, the newest user message, the call in flight with its answers so far,
 * and `extra`, each with its whole unit. If there is no user message, the last unit stays, so that a history never
 * becomes empty.
 */
export function protectedIds(messages: readonly BaseMessage[], extra: Iterable<string> = []): Set<string> {
  const kept = new Set(extra);
  for (const message of messages) if (message.type === "system") kept.add(idOf(message));
  const newest = newestUserMessage(messages);
  if (newest) kept.add(idOf(newest));
  const units = atomicUnits(messages);
  const inFlight = units.findLast((unit) => unit.kind === "exchange");
  if (inFlight && inFlight.pending.length > 0) kept.add(idOf(inFlight.messages[0] as BaseMessage));
  if (!newest) {
    const last = units.findLast((unit) => unit.messages[0]?.type !== "system");
    if (last) kept.add(idOf(last.messages[0] as BaseMessage));
  }
  for (const unit of units) {
    if (unit.messages.some((m) => kept.has(idOf(m)))) for (const m of unit.messages) kept.add(idOf(m));
  }
  return kept;
}
