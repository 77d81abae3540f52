/**
 * Context edits while other calls of the same response run, as in LangGraph's `ToolNode` and langchain's `createAgent`.
 *
 * These calls all see the same state, and their updates are applied one by one. An edit that replaced the whole list
 * would wipe its siblings' answers, so it names the messages it removes, and its summary takes over the id, and thereby
 * the place, of a message it replaces. Two concurrent edits could remove a message twice, which LangGraph's reducer
 * rejects, so only the first edit of a response runs. Pure.
 */
import { AIMessage, type BaseMessage, RemoveMessage } from "@langchain/core/messages";
import type { AppliedEdit } from "../context/edit.js";
import { humanMessage, isSummary } from "../context/messages.js";
import type { MessageFact } from "../types.js";

/**
 * Looks at the unanswered calls of this call's response: whether there are others (`parallel`), the tools of those
 * before it (`before`), and the edit that has precedence over it, if any (`busyWith`).
 */
export function siblingsOf(
  messages: readonly BaseMessage[],
  callId: string,
  isEdit: (toolName: string) => boolean,
): { parallel: boolean; busyWith: string | undefined; before: string[] } {
  const at = messages.findLastIndex((message) => AIMessage.isInstance(message));
  const answered = new Set(
    messages.slice(at + 1).map((message) => (message as { tool_call_id?: string }).tool_call_id),
  );
  const calls = (messages[at] as AIMessage | undefined)?.tool_calls ?? [];
  const open = calls.filter((call) => !answered.has(call.id));
  const same = open.filter((call) => (call.id ?? "") === callId);
  const edits = open.map((call) => call.name).filter(isEdit);
  // Calls with the same id, or none, cannot be told apart, so none of several edits among them counts as the first.
  const nameless = same.length > 1 && edits.length > 1 ? edits[0] : undefined;
  const own = open.findIndex((call) => (call.id ?? "") === callId);
  const before = open.slice(0, Math.max(0, own)).map((call) => call.name);
  return { parallel: open.length > 1, busyWith: nameless ?? before.find(isEdit), before };
}

/** The edit with its summary under the id of a message it replaces, so that the reducer keeps its place. */
export function inPlace(edit: AppliedEdit): AppliedEdit {
  const { report } = edit;
  const added = report.addedIds[0];
  const taken = report.archive.messages.filter((entry) => entry.action === "removed");
  // Prefer a message that is not a summary: a summary's id also stands in the archive of its own edit.
  const carrier = (taken.find((entry) => !entry.fact.covers) ?? taken[0])?.id;
  if (added === undefined || carrier === undefined) return edit;
  const { [added]: anchor, ...anchors } = report.archive.anchors;
  return {
    messages: edit.messages.map((message) => (message.id === added ? withId(message, carrier) : message)),
    facts: { ...edit.facts, [carrier]: edit.facts[added] as MessageFact, [added]: null },
    report: {
      ...report,
      addedIds: [carrier],
      archive: {
        ...report.archive,
        addedIds: [carrier],
        anchors: anchor === undefined ? anchors : { ...anchors, [carrier]: anchor },
      },
    },
  };
}

/** The edit as an update of the `messages` channel that touches only the messages it names. */
export function targetedUpdate(edit: AppliedEdit): BaseMessage[] {
  const { removedIds, changedIds, addedIds } = edit.report;
  const written = new Set([...changedIds, ...addedIds]);
  return [
    ...removedIds.filter((id) => !written.has(id)).map((id) => new RemoveMessage({ id })),
    ...edit.messages.filter((message) => written.has(message.id ?? "")),
  ];
}

function withId(message: BaseMessage, id: string): BaseMessage {
  if (!isSummary(message)) throw new TypeError(`Message ${message.id} is not a summary.`);
  return humanMessage(id, message.text, message.additional_kwargs);
}
