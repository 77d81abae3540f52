/**
 * SUMMARY (AgeMem, eq. 14): which messages a summary replaces, and the edit that replaces them.
 *
 * Owns both. Pure. Leaves out writing the summary (`summarize.ts`).
 */
import type { BaseMessage } from "@langchain/core/messages";
import { InputError } from "../../errors.js";
import type { MessageFact, MessageFacts, TokenCounter } from "../../types.js";
import { countMessages } from "../budget.js";
import { type AppliedEdit, checkEditId, finishEdit } from "../edit.js";
import { idOf, isSummary, isUserMessage } from "../messages.js";
import { protectedIds, splitRounds } from "../rounds.js";
import { summaryId, summaryMessage } from "../summary-message.js";
import { coverageOf, mergeRanges } from "./coverage.js";

export { renderTranscript } from "../transcript.js";
export { splitForSummary, summarize } from "./summarize.js";

/** What a summary covers. */
export type SummarySpan = { kind: "all" } | { kind: "rounds"; n: number };

/** The messages a summary will replace. */
export interface SummaryPlan {
  span: SummarySpan;
  /** In order; never empty. */
  messages: BaseMessage[];
  removeIds: string[];
  /** How many of them are user messages. */
  rounds: number;
}

/**
 * Reads the `span` argument: "all" (or "full", as in the paper's case study) or a number of rounds.
 *
 * @throws InputError `AGEMEM_INPUT_ARGUMENT` for anything else
 * @example
 * parseSpan("3"); // { kind: "rounds", n: 3 }
 */
export function parseSpan(span: string | number): SummarySpan {
  const text = String(span).trim().toLowerCase();
  if (text === "all" || text === "full") return { kind: "all" };
  const n = Number(text);
  if (/^\d+$/.test(text) && n >= 1 && Number.isSafeInteger(n)) return { kind: "rounds", n };
  throw new InputError("AGEMEM_INPUT_ARGUMENT", `The span ${JSON.stringify(span)} is not valid`, {
    remedy: 'Give "all" or the number of last rounds to summarize, such as "3".',
    details: { span },
  });
}

/**
 * Chooses what a summary replaces: every removable message, or those of the last N rounds. Rounds without any (such as
 * a current round of only the user message and this call) do not count. System messages, the newest user message, the
 * call in flight and `protectIds` stay; a call and its answers stay together.
 *
 * @throws InputError `AGEMEM_EDIT_EMPTY` if nothing is removable, or only a single earlier summary
 */
export function planSummary(
  messages: readonly BaseMessage[],
  span: SummarySpan,
  options: { protectIds?: Iterable<string> } = {},
): SummaryPlan {
  const kept = protectedIds(messages, options.protectIds);
  const removable = (message: BaseMessage): boolean => !kept.has(idOf(message));
  const rounds = splitRounds(messages).filter((round) => round.messages.some(removable));
  const chosen = span.kind === "all" ? rounds : rounds.slice(-span.n);
  return makeSummaryPlan(
    messages,
    chosen.flatMap((round) => round.messages.filter(removable)).map(idOf),
    span,
  );
}

/** A plan for the given ids. Throws `AGEMEM_EDIT_EMPTY` if there is nothing that a summary would shorten. */
export function makeSummaryPlan(
  messages: readonly BaseMessage[],
  ids: Iterable<string>,
  span: SummarySpan,
): SummaryPlan {
  const wanted = new Set(ids);
  const going = messages.filter((message) => wanted.has(idOf(message)));
  if (going.length === 0 || (going.length === 1 && isSummary(going[0] as BaseMessage))) {
    throw new InputError("AGEMEM_EDIT_EMPTY", "There is nothing to summarize", {
      remedy: "The newest user message and the call in progress always stay; continue without a summary.",
    });
  }
  const rounds = going.filter(isUserMessage).length;
  return { span, messages: going, removeIds: going.map(idOf), rounds };
}

export interface ApplySummaryOptions {
  /** Id of the edit, from which the summary's id is derived. */
  editId: string;
  facts: Readonly<MessageFacts>;
  counter: TokenCounter;
  /** "emergency" when the overflow guard asked, not the model. Default "summary". */
  kind?: "summary" | "emergency";
}

/**
 * Replaces the planned messages with one summary message at the place of the first. The others keep their order, a
 * valid history stays valid, and the report's archive can undo the edit.
 *
 * @throws TypeError if the plan was made for other messages or the edit has been applied before
 * @throws InputError `AGEMEM_INPUT_ARGUMENT` if the summary is empty
 */
export function applySummary(
  messages: readonly BaseMessage[],
  plan: SummaryPlan,
  summaryText: string,
  options: ApplySummaryOptions,
): AppliedEdit {
  const { editId, counter, kind = "summary" } = options;
  checkEditId(editId);
  checkPlan(messages, plan, editId);
  if (summaryText.trim() === "") {
    throw new InputError("AGEMEM_INPUT_ARGUMENT", "The summary is empty", {
      remedy: "Write the summary again; the context is unchanged.",
    });
  }
  const counted = countMessages(messages, options.facts, counter);
  const going = new Set(plan.removeIds);
  const info = { editId, messages: plan.messages.length, rounds: plan.rounds };
  const summary = summaryMessage(summaryText, info);
  const after: BaseMessage[] = [];
  let placed = false;
  for (const message of messages) {
    if (!going.has(idOf(message))) after.push(message);
    else if (!placed) {
      after.push(summary);
      placed = true;
    }
  }
  const facts = { [summaryId(editId)]: summaryFact(plan.removeIds, counted.facts, editId) };
  return finishEdit({ editId, kind, before: messages, after, counted, facts, counter });
}

function summaryFact(removed: string[], facts: MessageFacts, editId: string): Omit<MessageFact, "tokens"> {
  const gone = removed.map((id) => facts[id] as MessageFact);
  const positionEnd = Math.max(...gone.map((fact) => Math.max(fact.position ?? 0, fact.positionEnd ?? 0)));
  const position = gone[0]?.position ?? 0;
  const covers = mergeRanges(gone.flatMap(coverageOf));
  return { origin: "summary", replaces: [...removed], editId, position, positionEnd, covers };
}

function checkPlan(messages: readonly BaseMessage[], plan: SummaryPlan, editId: string): void {
  const present = new Set(messages.map(idOf));
  const missing = plan.removeIds.filter((id) => !present.has(id));
  if (missing.length > 0 || plan.removeIds.length === 0) {
    throw new TypeError(
      `The plan was made for other messages (missing: ${missing.join(", ") || "all"}). Call planSummary() again.`,
    );
  }
  if (present.has(summaryId(editId))) throw new TypeError(`The edit ${editId} has already been applied.`);
}
