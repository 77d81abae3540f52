/**
 * FILTER (AgeMem, eq. 15): removes what is similar to the criteria from the context.
 *
 * Owns which texts are scored (whole messages, passages of long ones), and the edit that follows from the scores.
 * Pure; the embedder is passed to {@link scoreUnits} as a function.
 */
import { type BaseMessage, ToolMessage } from "@langchain/core/messages";
import type { MessageFact, MessageFacts, TokenCounter } from "../../types.js";
import { countMessages } from "../budget.js";
import { type AppliedEdit, type ArchivedCut, checkEditId, finishEdit } from "../edit.js";
import {
  blocksOf,
  hasOpaqueBlocks,
  idOf,
  isSummary,
  newestUserMessage,
  textOf,
  textOfBlock,
  withContent,
} from "../messages.js";
import { memoriesLeft } from "../retrieval.js";
import { atomicUnits, protectedIds, type Unit } from "../rounds.js";
import { cutMarker, isOnlyMarkers, segmentText } from "../segments.js";
import { plainBody } from "../transcript.js";
import { cutBlocks } from "./cut.js";
import { nothingToFilter } from "./filter-scores.js";
import { asks, hasQuestion } from "./question.js";

export { scoreUnits, splitCriteria } from "./filter-scores.js";

/** The paper's threshold. */
export const DEFAULT_THETA = 0.6;
/** Messages of at least this many tokens are scored passage by passage. */
export const DEFAULT_SEGMENT_MIN_TOKENS = 128;

/** One text to score: a whole message, or one passage of a long one. */
export interface FilterUnit {
  kind: "message" | "segment";
  messageId: string;
  text: string;
  /** Content block of the passage, and its offsets there; all 0 for a whole message. */
  block: number;
  start: number;
  end: number;
}

export interface FilterUnitOptions {
  protectIds?: Iterable<string>;
  /** Default 128. */
  segmentMinTokens?: number;
  counter: TokenCounter;
}

/**
 * The removable texts of the context, in order. A short message is one unit; long messages, summaries and retrieved
 * memories are one unit per passage. Excluded are system messages, the call in flight, `protectIds`, markers of
 * earlier filters, and what the newest user message asks: the asking passages of a long one, and all of a short one
 * that asks anything.
 */
export function filterUnits(messages: readonly BaseMessage[], options: FilterUnitOptions): FilterUnit[] {
  const minTokens = options.segmentMinTokens ?? DEFAULT_SEGMENT_MIN_TOKENS;
  const newest = newestUserMessage(messages);
  const extra = new Set(options.protectIds ?? []);
  const kept = protectedIds(messages, extra);
  const units: FilterUnit[] = [];
  for (const message of messages) {
    const id = idOf(message);
    const isNewest = message === newest && !extra.has(id);
    if (kept.has(id) && !isNewest) continue;
    const inParts =
      isSummary(message) || isMemoryBlock(message) || isLong(message, minTokens, options.counter);
    if (inParts) units.push(...passagesOf(message, id).filter(({ text }) => !isNewest || !asks(text)));
    else if (!isOnlyMarkers(textOf(message)) && !(isNewest && mustStayWhole(message))) {
      units.push({ kind: "message", messageId: id, text: plainBody(message), block: 0, start: 0, end: 0 });
    }
  }
  return units;
}

function isLong(message: BaseMessage, minTokens: number, counter: TokenCounter): boolean {
  const text = textOf(message);
  // A token is at least a byte, and a UTF-16 unit at most three, so short texts need no counting.
  return text.length * 3 >= minTokens && counter.countText(text) >= minTokens;
}

/** Of short newest user messages, a remark may be removed; a question, or content that cannot be read, must stay. */
function mustStayWhole(message: BaseMessage): boolean {
  return hasOpaqueBlocks(message) || textOf(message).trim() === "" || hasQuestion(textOf(message));
}

function isMemoryBlock(message: BaseMessage): boolean {
  return /^\s*<retrieved_memories\s/.test(textOf(message));
}

function passagesOf(message: BaseMessage, messageId: string): FilterUnit[] {
  return blocksOf(message).flatMap((block, index) => {
    const text = textOfBlock(block);
    if (text === undefined) return [];
    return segmentText(text)
      .filter((segment) => segment.kind === "sentence" || segment.kind === "line")
      .map(({ start, end, text: passage }): FilterUnit => {
        return { kind: "segment", messageId, text: passage, block: index, start, end };
      });
  });
}

export interface ApplyFilterOptions {
  /** Units with at least this score are removed. Default 0.6. */
  theta?: number;
  editId: string;
  facts: Readonly<MessageFacts>;
  counter: TokenCounter;
}

/**
 * Removes every unit with `score >= theta`. An exchange of tool calls is removed as a whole if all its answers and any
 * assistant text reach theta; otherwise a removed answer leaves a marker, so that its call stays answered. So does the
 * newest user message, on which the turn depends. Cut passages leave a marker with their number and the edit's id; all
 * other text stays byte-identical. Blocks that are not text are removed only with their message.
 *
 * @throws InputError `AGEMEM_EDIT_EMPTY` if nothing would be removed
 * @throws TypeError if units and scores differ in number, a score is NaN, or a unit's message is not in the context
 */
export function applyFilter(
  messages: readonly BaseMessage[],
  units: readonly FilterUnit[],
  scores: readonly number[],
  options: ApplyFilterOptions,
): AppliedEdit {
  const { theta = DEFAULT_THETA, editId, counter } = options;
  checkEditId(editId);
  const hits = hitsByMessage(messages, units, scores, theta);
  const counted = countMessages(messages, options.facts, counter);
  const newest = newestUserMessage(messages);
  const removed = new Set<string>();
  const changed = new Map<string, Rewritten>();
  for (const unit of atomicUnits(messages)) {
    decideUnit(unit, hits, { editId, newest, removed, changed });
  }
  if (removed.size + changed.size === 0) throw nothingToFilter(scores, theta);
  const after = messages.flatMap((message) => {
    const id = idOf(message);
    return removed.has(id) ? [] : [changed.get(id)?.message ?? message];
  });
  const facts: Record<string, Omit<MessageFact, "tokens">> = {};
  for (const [id, { message }] of changed) {
    const { tokens: _, ...fact } = counted.facts[id] as MessageFact;
    const memories = memoriesLeft(fact.memories, textOf(message));
    // A summary keeps the id of the edit that made it, which leads to what it replaced.
    facts[id] = {
      ...fact,
      ...(fact.origin === "summary" ? {} : { editId }),
      ...(memories ? { memories } : {}),
    };
  }
  const cuts = new Map([...changed].map(([id, { cuts }]) => [id, cuts]));
  return finishEdit({ editId, kind: "filter", before: messages, after, counted, facts, cuts, counter });
}

/** The scores of one message's units. */
interface Hits {
  /** Units at or above theta. */
  out: FilterUnit[];
  /** Whether every unit of the message is. */
  all: boolean;
}

function hitsByMessage(
  messages: readonly BaseMessage[],
  units: readonly FilterUnit[],
  scores: readonly number[],
  theta: number,
): Map<string, Hits> {
  if (units.length !== scores.length) {
    throw new TypeError(
      `${units.length} units came with ${scores.length} scores. Score the units passed in.`,
    );
  }
  const present = new Set(messages.map(idOf));
  const hits = new Map<string, Hits>();
  units.forEach((unit, i) => {
    const score = scores[i] as number;
    if (Number.isNaN(score)) throw new TypeError(`The score of unit ${i} is not a number.`);
    if (!present.has(unit.messageId))
      throw new TypeError(`No message ${unit.messageId} is in the context. Call filterUnits() again.`);
    const hit = hits.get(unit.messageId) ?? { out: [], all: true };
    if (score >= theta) hit.out.push(unit);
    else hit.all = false;
    hits.set(unit.messageId, hit);
  });
  return hits;
}

interface Rewritten {
  message: BaseMessage;
  cuts: ArchivedCut[];
}

interface FilterChoice {
  editId: string;
  newest: BaseMessage | undefined;
  removed: Set<string>;
  changed: Map<string, Rewritten>;
}

function decideUnit(unit: Unit, hits: ReadonlyMap<string, Hits>, decision: FilterChoice): void {
  const { removed, changed, editId, newest } = decision;
  if (unitGoes(unit, hits, (message) => message !== newest && !isSummary(message))) {
    for (const message of unit.messages) removed.add(idOf(message));
    return;
  }
  for (const message of unit.messages) {
    const id = idOf(message);
    const hit = hits.get(id);
    if (!hit || hit.out.length === 0) continue;
    const turn = message === newest && hit.out[0]?.kind === "message";
    if ((turn || ToolMessage.isInstance(message)) && hit.all && goesWhole(message, hit)) {
      const marker = cutMarker(editId, 1, "all");
      changed.set(id, { message: withContent(message, marker), cuts: [{ marker, text: null }] });
    } else if (hit.out[0]?.kind === "segment") {
      changed.set(id, cutBlocks(message, hit.out, editId));
    }
  }
}

/** Whether all messages of a unit are removed. An assistant message without text goes with its answers. */
function unitGoes(
  unit: Unit,
  hits: ReadonlyMap<string, Hits>,
  mayGo: (message: BaseMessage) => boolean,
): boolean {
  const [first, ...answers] = unit.messages as [BaseMessage, ...BaseMessage[]];
  const goes = (message: BaseMessage): boolean => {
    const hit = hits.get(idOf(message));
    return hit?.all === true && goesWhole(message, hit) && mayGo(message);
  };
  if (unit.kind !== "exchange") return goes(first);
  const silent = textOf(first).trim() === "" && !hasOpaqueBlocks(first);
  return answers.every(goes) && (goes(first) || (silent && answers.length > 0 && hits.has(idOf(first))));
}

/** Removing all passages does not remove an image beside them; a message scored as a whole goes with all its blocks. */
function goesWhole(message: BaseMessage, hit: Hits): boolean {
  return hit.out[0]?.kind === "message" || !hasOpaqueBlocks(message);
}
