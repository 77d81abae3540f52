/**
 * Context edits beside calls that run at the same time, as LangGraph's `ToolNode` and langchain's `createAgent` run
 * the calls of one response.
 *
 * All of them see the same state, and each update is applied on its own. An edit that put a whole list in place
 * would wipe its siblings' answers; so it names the messages it removes, and the summary takes the id, and with it the
 * place, of a message it replaces. Two edits at once could remove one message twice, which the reducer does not
 * forgive: the first in the order of calls runs, the others are refused. Pure.
 */
import { AIMessage, type BaseMessage, RemoveMessage } from "@langchain/core/messages";
import type { AppliedEdit } from "../context/edit.js";
import { humanMessage, isSummary } from "../context/messages.js";
import type { MessageFact } from "../types.js";

/**
 * Whether other calls of the response of this call are still without an answer, which tools those before it name, and
 * which edit comes first.
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
  // Calls that share an id, or have none, cannot be told apart: no edit among several of them is the first.
  const nameless = same.length > 1 && edits.length > 1 ? edits[0] : undefined;
  const own = open.findIndex((call) => (call.id ?? "") === callId);
  const before = open.slice(0, Math.max(0, own)).map((call) => call.name);
  return { parallel: open.length > 1, busyWith: nameless ?? before.find(isEdit), before };
}

/** The edit with its summary under the id of a message it replaces, which keeps its place without a list. */
export function inPlace(edit: AppliedEdit): AppliedEdit {
  const { report } = edit;
  const added = report.addedIds[0];
  const taken = report.archive.messages.filter((entry) => entry.action === "removed");
  // An earlier summary's id is known to the archive of its own edit as well: a message's own id is clearer.
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

/** The edit as an update of the `messages` channel that touches nothing it does not name. */
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
