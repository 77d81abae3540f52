/**
 * What every context edit returns: the new messages, the changed facts, a report, and the archive record from which
 * the edit can be undone.
 *
 * Owns computing these from the messages before and after. Pure: the edit id is passed in, and other ids are derived
 * from it. Leaves out what an edit does (`summary.ts`, `filter.ts`, `restore.ts`) and where archives are kept
 * (`archive.ts`).
 */
import { type BaseMessage, RemoveMessage, type StoredMessage } from "@langchain/core/messages";
import type { MessageFact, MessageFacts, TokenCounter } from "../types.js";
import { countMessages, type FactsUpdate, type MessageCount } from "./budget.js";
import { idOf, storeMessage, textOf } from "./messages.js";
import { markersIn } from "./segments.js";

export type EditKind = "summary" | "filter" | "emergency" | "restore";

/** A piece of text taken out of a message that stayed, and the marker left in its place. */
export interface ArchivedCut {
  marker: string;
  /** Null when the marker replaced the whole content of the message. */
  text: string | null;
}

/** One message as it was before the edit. */
export interface ArchivedMessage {
  id: string;
  action: "removed" | "changed";
  message: StoredMessage;
  fact: MessageFact;
  /** Id of the message before it; null for the first. */
  after: string | null;
  /** What was cut from a changed message. A single cut without text: the marker replaced the whole content. */
  cuts?: ArchivedCut[];
}

/** Everything needed to undo an edit. JSON-serializable. */
export interface ArchivedEdit {
  schema: "agemem.edit/1";
  editId: string;
  kind: EditKind;
  /** Removed and changed messages in context order. */
  messages: ArchivedMessage[];
  /** Ids of messages the edit added (the summary). */
  addedIds: string[];
  /** Places of added messages and remaining neighbors: enough to restore the edit if the facts are lost. */
  anchors: Record<string, number>;
  /** Earlier edits whose results this edit removed or changed; their archives hold the older originals. */
  lineage: string[];
}

export interface EditReport {
  editId: string;
  kind: EditKind;
  removedIds: string[];
  changedIds: string[];
  addedIds: string[];
  /** Tokens of the messages before the edit, without the system prompt and tool schemas. */
  tokensBefore: number;
  /** The same after the edit. */
  tokensAfter: number;
  archive: ArchivedEdit;
}

/** A completed edit, ready to be written to the state. */
export interface AppliedEdit {
  messages: BaseMessage[];
  /** Update of the facts channel: facts of every remaining message, null for removed ones; see `reduceFacts`. */
  facts: FactsUpdate;
  report: EditReport;
}

/** What an edit must supply to {@link finishEdit}. */
export interface EditDraft {
  editId: string;
  kind: EditKind;
  before: readonly BaseMessage[];
  after: BaseMessage[];
  /** Result of `countMessages` over `before`. */
  counted: MessageCount;
  /** Complete facts of added and changed messages, except for the token count, which is computed here. */
  facts?: Record<string, Omit<MessageFact, "tokens">>;
  cuts?: ReadonlyMap<string, ArchivedCut[]>;
  counter: TokenCounter;
}

const EDIT_ID = /^[\w.:-]{1,120}$/;

/** Throws `TypeError` unless the id is usable in markers, tags and store keys. */
export function checkEditId(editId: string): void {
  if (EDIT_ID.test(editId)) return;
  throw new TypeError(
    `The edit id ${JSON.stringify(editId)} is not usable: use 1 to 120 letters, digits, "_", ".", ":" or "-".`,
  );
}

/** Compares the messages before and after, and completes facts, report and archive. */
export function finishEdit(draft: EditDraft): AppliedEdit {
  const { before, after, counted, editId, kind } = draft;
  checkEditId(editId);
  const old = new Map(before.map((message) => [idOf(message), message]));
  const kept = new Map(after.map((message) => [idOf(message), message]));
  const removedIds = [...old.keys()].filter((id) => !kept.has(id));
  const addedIds = [...kept.keys()].filter((id) => !old.has(id));
  const changedIds = [...kept.keys()].filter((id) => old.has(id) && old.get(id) !== kept.get(id));

  const drafted: MessageFacts = {};
  for (const id of kept.keys()) {
    const base = counted.facts[id];
    const given = draft.facts?.[id];
    if (given) drafted[id] = { ...given, tokens: 0, check: -1 };
    else if (base) drafted[id] = base;
  }
  keepTail(removedIds, after, counted.facts, drafted);
  const recounted = countMessages(after, drafted, draft.counter);
  // All facts, not only the changed ones: the state may lack counts that this edit relied on.
  const facts: FactsUpdate = { ...counted.update, ...recounted.facts };
  for (const id of removedIds) facts[id] = null;
  const archive = archiveOf(draft, removedIds, changedIds, addedIds, recounted.facts);
  const report: EditReport = {
    editId,
    kind,
    removedIds,
    changedIds,
    addedIds,
    tokensBefore: counted.total,
    tokensAfter: recounted.total,
    archive,
  };
  return { messages: after, facts, report };
}

/** If the end of the thread is removed, the last remaining message records how far the thread had reached. */
function keepTail(removed: string[], after: BaseMessage[], facts: MessageFacts, drafted: MessageFacts): void {
  const end = (fact: MessageFact | undefined): number =>
    Math.max(fact?.position ?? 0, fact?.positionEnd ?? 0);
  const reached = Math.max(0, ...removed.map((id) => end(facts[id])));
  const covered = Math.max(0, ...Object.values(drafted).map(end));
  const last = after.at(-1);
  if (!last || reached <= covered) return;
  const fact = drafted[idOf(last)];
  if (fact) drafted[idOf(last)] = { ...fact, positionEnd: reached };
}

function archiveOf(
  draft: EditDraft,
  removed: string[],
  changed: string[],
  added: string[],
  left: MessageFacts,
): ArchivedEdit {
  const anchors: Record<string, number> = {};
  const anchor = (id: string | undefined): void => {
    const position = id === undefined ? undefined : left[id]?.position;
    if (id !== undefined && position !== undefined) anchors[id] = position;
  };
  added.forEach(anchor);
  const gone = new Set(removed);
  const rewritten = new Set(changed);
  const lineage = new Set<string>();
  const messages: ArchivedMessage[] = [];
  draft.before.forEach((message, i) => {
    const id = idOf(message);
    if (!gone.has(id) && !rewritten.has(id)) return;
    const fact = draft.counted.facts[id] as MessageFact;
    if (fact.editId) lineage.add(fact.editId);
    for (const { editId } of markersIn(textOf(message))) lineage.add(editId);
    anchor(draft.before[i - 1]?.id);
    anchor(draft.before[i + 1]?.id);
    const cuts = draft.cuts?.get(id);
    messages.push({
      id,
      action: gone.has(id) ? "removed" : "changed",
      message: storeMessage(message),
      fact: structuredClone(fact),
      after: draft.before[i - 1]?.id ?? null,
      ...(cuts ? { cuts } : {}),
    });
  });
  return {
    schema: "agemem.edit/1",
    editId: draft.editId,
    kind: draft.kind,
    messages,
    addedIds: added,
    anchors,
    lineage: [...lineage],
  };
}

/** LangGraph's `REMOVE_ALL_MESSAGES`, repeated here so that this layer does not load LangGraph. */
const REMOVE_ALL = "__remove_all__";

/**
 * The edit as an update of a `messages` channel with LangGraph's reducer: removes everything, then adds the new list.
 * It must be the only update of that channel in its step, because it wipes all others.
 *
 * @example
 * return { messages: toMessagesUpdate(edit.messages), facts: edit.facts };
 */
export function toMessagesUpdate(messages: readonly BaseMessage[]): BaseMessage[] {
  return [new RemoveMessage({ id: REMOVE_ALL }), ...messages];
}

/** Whether an update replaces the whole list, as {@link toMessagesUpdate} does. */
export function replacesAll(update: readonly BaseMessage[]): boolean {
  return update.some((message) => message.id === REMOVE_ALL && message.type === "remove");
}
