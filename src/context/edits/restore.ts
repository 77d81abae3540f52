/**
 * Undoes an archived edit in whatever the context has become since.
 *
 * Owns where restored messages go: by their recorded position in the thread, not by neighbors, so later edits do not
 * matter. Pure. Leaves out where archives are kept (`archive.ts`).
 */
import { type BaseMessage, ToolMessage } from "@langchain/core/messages";
import { toExactJson } from "../../lib/exact-json.js";
import type { MessageFact, MessageFacts, TokenCounter } from "../../types.js";
import { countMessages } from "../budget.js";
import { type AppliedEdit, type ArchivedEdit, type ArchivedMessage, finishEdit } from "../edit.js";
import {
  answeredCallOf,
  callsOf,
  idOf,
  isSummary,
  loadMessage,
  originOf,
  SUMMARY_KEY,
  textOf,
} from "../messages.js";
import { memoriesLeft } from "../retrieval.js";
import { markersIn } from "../segments.js";
import { coverageOf, isWithin, mergeRanges } from "./coverage.js";
import { pasteBlocks } from "./cut.js";

export interface RestoreOptions {
  /** Id of this restoration; default `${archived.editId}-restore`. */
  editId?: string;
}

/**
 * Undoes an edit: returns removed messages to their places, pastes cut text back at its markers, and removes what the
 * edit had added. Messages appended since stay. Restoring twice changes nothing the second time.
 *
 * Later edits stay in force. A message that a later edit removed stays away (to get it back, restore that edit, which
 * `lineage` of its archive and `replaces` of its summary lead to), and text that a later edit cut stays cut. An earlier
 * summary is not restored beside the messages it summarized. Restoring every edit, in any order, until nothing is left
 * to restore, gives the original history.
 *
 * @throws TypeError if a message has no id
 */
export function restoreEdit(
  messages: readonly BaseMessage[],
  archived: ArchivedEdit,
  facts: Readonly<MessageFacts>,
  counter: TokenCounter,
  options: RestoreOptions = {},
): AppliedEdit {
  const counted = countMessages(messages, withAnchors(messages, facts, archived), counter);
  const drafted: Record<string, MessageFact> = {};
  const gone = new Set(messages.filter((message) => isPutInBy(archived, message)).map(idOf));
  const changes = new Map(archived.messages.filter((m) => m.action === "changed").map((m) => [m.id, m]));
  const kept = messages.flatMap((message) => {
    const id = idOf(message);
    if (gone.has(id)) return [];
    const entry = changes.get(id);
    if (!entry) return [message];
    const { message: back, fact } = undoChange(message, counted.facts[id] as MessageFact, entry);
    if (fact) drafted[id] = fact;
    return [back];
  });
  const present = new Set(kept.map(idOf));
  const missing = archived.messages.filter((m) => m.action === "removed" && !present.has(m.id));
  const wanted = withoutSpentSummaries(
    missing,
    kept.map((message) => counted.facts[idOf(message)] as MessageFact),
  );
  for (const entry of wanted) drafted[entry.id] = structuredClone(entry.fact);
  const placeOf = (message: BaseMessage): number =>
    (drafted[idOf(message)] ?? counted.facts[idOf(message)])?.position ?? 0;
  const after = merge(kept, wanted, placeOf, facts);
  const editId = options.editId ?? `${archived.editId}-restore`;
  return finishEdit({ editId, kind: "restore", before: messages, after, counted, facts: drafted, counter });
}

/**
 * Whether the edit added this message. The id alone does not tell: a later summary written beside parallel calls may
 * have taken over the id of a restored message (`inPlace`); it then belongs to the edit named in its `SUMMARY_KEY`.
 */
function isPutInBy({ addedIds, editId, kind }: ArchivedEdit, message: BaseMessage): boolean {
  if (!addedIds.includes(idOf(message))) return false;
  if (kind !== "summary" && kind !== "emergency") return true;
  const info = message.additional_kwargs[SUMMARY_KEY] as { editId?: unknown } | undefined;
  return info === undefined ? isSummary(message) : info.editId === editId;
}

/** The facts, with missing places filled in from the archive. */
function withAnchors(
  messages: readonly BaseMessage[],
  facts: Readonly<MessageFacts>,
  archived: ArchivedEdit,
): MessageFacts {
  const known: MessageFacts = { ...facts };
  for (const message of messages) {
    const id = idOf(message);
    const position = archived.anchors[id];
    if (position === undefined || known[id]?.position !== undefined) continue;
    known[id] = { tokens: 0, origin: originOf(message), ...known[id], position };
  }
  return known;
}

/** The message as it was before the edit, or, if later edits cut it too, with only this edit's cuts undone. */
function undoChange(
  message: BaseMessage,
  fact: MessageFact,
  entry: ArchivedMessage,
): { message: BaseMessage; fact?: MessageFact } {
  const cuts = entry.cuts ?? [];
  const whole = cuts.some((cut) => cut.text === null && cut.marker === message.content);
  const pasted = whole ? message : pasteBlocks(message, cuts);
  if (!whole && pasted === message) return { message };
  const original = loadMessage(entry.message);
  if (
    whole ||
    JSON.stringify(toExactJson(pasted.content)) === JSON.stringify(toExactJson(original.content))
  ) {
    return { message: original, fact: { ...structuredClone(entry.fact), position: fact.position } };
  }
  const { editId, ...rest } = fact;
  const cutBy = fact.origin === "summary" ? editId : markersIn(textOf(pasted)).at(-1)?.editId;
  const memories = memoriesLeft(entry.fact.memories, textOf(pasted));
  const known = { ...(cutBy ? { editId: cutBy } : {}), ...(memories ? { memories } : {}) };
  return { message: pasted, fact: { ...rest, ...known } };
}

/**
 * Leaves out summaries whose whole content is in the context or comes back with this edit, as originals or as finer
 * summaries.
 */
function withoutSpentSummaries(
  missing: ArchivedMessage[],
  present: readonly MessageFact[],
): ArchivedMessage[] {
  const all = [...present, ...missing.map((entry) => entry.fact)];
  return missing.filter(({ fact }) => {
    const own = fact.covers;
    if (!own) return true;
    const finer = all.filter((other) => {
      const ranges = coverageOf(other);
      return isWithin(ranges, own) && (!other.covers || !isWithin(own, ranges));
    });
    return !isWithin(own, mergeRanges(finer.flatMap(coverageOf)));
  });
}

/**
 * Merges by place; at the same place a summary comes first. If the places of the neighbors are unknown (the facts were
 * lost), nothing is put between a call and its answers.
 */
function merge(
  kept: readonly BaseMessage[],
  back: readonly ArchivedMessage[],
  placeOf: (message: BaseMessage) => number,
  known: Readonly<MessageFacts>,
): BaseMessage[] {
  const out: BaseMessage[] = [];
  let at = 0;
  for (const entry of back) {
    const message = loadMessage(entry.message);
    const place = placeOf(message);
    const start = at;
    while (
      at < kept.length &&
      comesBefore(kept[at] as BaseMessage, placeOf(kept[at] as BaseMessage), message, place)
    )
      at++;
    const isSure = [kept[at - 1], kept[at]].every(
      (near) => !near || known[idOf(near)]?.position !== undefined,
    );
    if (!isSure && !ToolMessage.isInstance(message)) at = behindAnswers(kept, at);
    out.push(...kept.slice(start, at), message);
  }
  return [...out, ...kept.slice(at)];
}

function comesBefore(kept: BaseMessage, keptPlace: number, back: BaseMessage, place: number): boolean {
  return keptPlace < place || (keptPlace === place && (isSummary(kept) || !isSummary(back)));
}

/** Moves an index that lies between a call and its answers to after the answers. */
function behindAnswers(messages: readonly BaseMessage[], at: number): number {
  let start = at - 1;
  while (start >= 0 && ToolMessage.isInstance(messages[start])) start--;
  const speaker = messages[start];
  if (!speaker) return at;
  const calls = new Set(callsOf(speaker).map((call) => call.id));
  let end = at;
  while (end < messages.length && answers(messages[end] as BaseMessage, calls)) end++;
  return end;
}

function answers(message: BaseMessage, calls: ReadonlySet<string | undefined>): boolean {
  const call = answeredCallOf(message);
  return call !== undefined && calls.has(call);
}
