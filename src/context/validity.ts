/**
 * Checks whether calls and answers of a chat history match, and repairs a view of any history so that they do.
 *
 * Owns the rules that all providers share. Edits keep a valid history valid; this file handles histories that arrive
 * broken (an interrupted tool, another middleware), which otherwise only the provider would notice. Pure. Leaves out
 * what individual providers require beyond that (`provider-view.ts`).
 */
import { AIMessage, type BaseMessage, ToolMessage } from "@langchain/core/messages";
import { answeredCallOf, callsOf, viewOf } from "./messages.js";

export type ProblemCode =
  | "duplicate_id"
  | "system_position"
  | "not_a_chat_message"
  | "call_without_id"
  | "duplicate_call_id"
  | "unanswered_call"
  | "late_answer"
  | "orphan_answer"
  | "duplicate_answer";

/** A broken rule and where it is broken. */
export interface Problem {
  code: ProblemCode;
  /** Index of the message in the list. */
  index: number;
  /** Its id, if it has one. */
  messageId: string | undefined;
  callId?: string;
  /** A sentence for human readers. */
  detail: string;
}

export interface ValidityOptions {
  /** Whether the last assistant message's calls may be unanswered, as within a tool step. Default false. */
  allowPending?: boolean;
}

/**
 * Finds every broken rule. The rules: unique message ids; system messages only at the front; each tool call has an id
 * of its own and one answer, which directly follows the message of the call; no answer without a call.
 *
 * @example
 * findChatHistoryProblems([new HumanMessage("hi"), aiWithCall]).map((p) => p.code); // ["unanswered_call"]
 */
export function findChatHistoryProblems(
  messages: readonly BaseMessage[],
  options: ValidityOptions = {},
): Problem[] {
  const problems: Problem[] = [];
  const add = (code: ProblemCode, index: number, detail: string, callId?: string): void => {
    const messageId = messages[index]?.id;
    problems.push({ code, index, messageId, detail, ...(callId === undefined ? {} : { callId }) });
  };
  checkPlaces(messages, add);
  const calledAt = firstCalls(messages);
  let open: { index: number; waiting: Set<string>; answered: Set<string> } | undefined;
  const close = (pendingAllowed: boolean): void => {
    if (!open) return;
    if (!pendingAllowed) {
      for (const id of open.waiting)
        add("unanswered_call", open.index, "A tool call has no answer after it.", id);
    }
    open = undefined;
  };
  messages.forEach((message, index) => {
    const answer = answeredCallOf(message);
    if (answer === undefined) {
      close(false);
      open = openCalls(message, index, add);
    } else if (open?.waiting.delete(answer)) {
      open.answered.add(answer);
    } else if (open?.answered.has(answer)) {
      add("duplicate_answer", index, "A tool call is answered twice.", answer);
    } else if ((calledAt.get(answer) ?? Number.POSITIVE_INFINITY) < index) {
      add("late_answer", index, "A tool answer does not follow its call directly.", answer);
    } else {
      add("orphan_answer", index, "A tool answer has no call before it.", answer);
    }
  });
  close(options.allowPending ?? false);
  return problems;
}

type Add = (code: ProblemCode, index: number, detail: string, callId?: string) => void;

function checkPlaces(messages: readonly BaseMessage[], add: Add): void {
  const seen = new Set<string>();
  let front = true;
  messages.forEach((message, index) => {
    if (message.id !== undefined) {
      if (seen.has(message.id)) add("duplicate_id", index, "Two messages have the same id.");
      seen.add(message.id);
    }
    if (message.type === "remove")
      add("not_a_chat_message", index, "A removal marker is not a chat message.");
    if (message.type !== "system") front = false;
    else if (!front) add("system_position", index, "A system message is not at the front.");
  });
}

function openCalls(message: BaseMessage, index: number, add: Add) {
  const waiting = new Set<string>();
  for (const call of callsOf(message)) {
    if (!call.id) add("call_without_id", index, `The call of "${call.name}" has no id.`);
    else if (waiting.has(call.id)) add("duplicate_call_id", index, "Two calls have the same id.", call.id);
    else waiting.add(call.id);
  }
  return waiting.size > 0 ? { index, waiting, answered: new Set<string>() } : undefined;
}

/** Index of the first message with each call id. */
function firstCalls(messages: readonly BaseMessage[]): Map<string, number> {
  const calls = new Map<string, number>();
  messages.forEach((message, index) => {
    for (const call of callsOf(message)) if (call.id && !calls.has(call.id)) calls.set(call.id, index);
  });
  return calls;
}

/** One change that {@link repairChatHistory} made. */
export interface Repair {
  action: "dropped" | "moved" | "answered" | "rewrote";
  code: ProblemCode;
  messageId: string | undefined;
  callId?: string;
}

/** A valid view of a history, and the changes that made it valid. */
export interface RepairedHistory {
  messages: BaseMessage[];
  repairs: Repair[];
}

/** The answer supplied for a call that never got one. */
export const MISSING_ANSWER =
  "Error: this call was interrupted and has no result. Call the tool again if you need it.";

export interface RepairOptions {
  /** The answer to supply for an unanswered call; default {@link MISSING_ANSWER}. */
  missing?: (callId: string) => string | undefined;
}

/**
 * A view of the history in which calls and answers match: unanswered calls get an error answer; late answers move to
 * their call; orphan answers, second answers and messages with a repeated id are dropped; calls without an id of their
 * own are removed; system messages move to the front. The state is unchanged, and so are the messages of a valid
 * history.
 */
export function repairChatHistory(
  messages: readonly BaseMessage[],
  options: RepairOptions = {},
): RepairedHistory {
  if (findChatHistoryProblems(messages).length === 0) return { messages: [...messages], repairs: [] };
  const repairs: Repair[] = [];
  const { front, rest } = sortOut(messages, repairs);
  const answers = new Map<string, ToolMessage[]>();
  const out: BaseMessage[] = [...front];
  const owners = ownersOf(rest);
  for (const message of rest) {
    const owner = owners.get(message);
    if (ToolMessage.isInstance(message) && owner !== undefined) {
      answers.set(owner, [...(answers.get(owner) ?? []), message]);
    }
  }
  let place = 0;
  for (const message of rest) {
    if (ToolMessage.isInstance(message)) {
      if (!owners.has(message)) {
        repairs.push({
          action: "dropped",
          code: "orphan_answer",
          messageId: message.id,
          callId: message.tool_call_id,
        });
      }
      continue;
    }
    place++;
    const speaker = withUsableCalls(message, repairs);
    out.push(speaker);
    for (const call of callsOf(speaker)) {
      const id = call.id as string;
      const [first, ...more] = answers.get(`${place}/${id}`) ?? [];
      if (first) {
        if (displaced(messages, message, first)) {
          repairs.push({ action: "moved", code: "late_answer", messageId: first.id, callId: id });
        }
      } else {
        repairs.push({ action: "answered", code: "unanswered_call", messageId: message.id, callId: id });
      }
      for (const extra of more) {
        repairs.push({ action: "dropped", code: "duplicate_answer", messageId: extra.id, callId: id });
      }
      out.push(first ?? missingAnswer(message, call.name, id, options.missing?.(id) ?? MISSING_ANSWER));
    }
  }
  return { messages: out, repairs };
}

/** The call each answer belongs to, as "number of its message/call id": the latest earlier call with that id. */
function ownersOf(messages: readonly BaseMessage[]): Map<BaseMessage, string> {
  const owners = new Map<BaseMessage, string>();
  const latest = new Map<string, string>();
  let place = 0;
  for (const message of messages) {
    const answer = answeredCallOf(message);
    if (answer === undefined) {
      place++;
      for (const call of callsOf(message)) if (call.id) latest.set(call.id, `${place}/${call.id}`);
    } else {
      const owner = latest.get(answer);
      if (owner !== undefined) owners.set(message, owner);
    }
  }
  return owners;
}

function sortOut(messages: readonly BaseMessage[], repairs: Repair[]) {
  const seen = new Set<string>();
  const front: BaseMessage[] = [];
  const rest: BaseMessage[] = [];
  for (const message of messages) {
    if (message.type === "remove" || (message.id !== undefined && seen.has(message.id))) {
      const code = message.type === "remove" ? "not_a_chat_message" : "duplicate_id";
      repairs.push({ action: "dropped", code, messageId: message.id });
      continue;
    }
    if (message.id !== undefined) seen.add(message.id);
    if (message.type !== "system") rest.push(message);
    else {
      if (rest.length > 0) repairs.push({ action: "moved", code: "system_position", messageId: message.id });
      front.push(message);
    }
  }
  return { front, rest };
}

function displaced(messages: readonly BaseMessage[], speaker: BaseMessage, answer: BaseMessage): boolean {
  const from = messages.indexOf(speaker);
  const to = messages.indexOf(answer);
  return messages.slice(from + 1, to).some((between) => !ToolMessage.isInstance(between));
}

function missingAnswer(speaker: BaseMessage, name: string, callId: string, content: string): ToolMessage {
  const id = speaker.id === undefined ? undefined : `${speaker.id}-missing-${callId}`;
  return new ToolMessage({ id, name, tool_call_id: callId, status: "error", content });
}

function withUsableCalls(message: BaseMessage, repairs: Repair[]): BaseMessage {
  const calls = callsOf(message);
  const seen = new Set<string>();
  const usable = calls.map((call) => {
    const fine = call.id !== undefined && call.id !== "" && !seen.has(call.id);
    if (call.id) seen.add(call.id);
    if (!fine) {
      const code = call.id ? "duplicate_call_id" : "call_without_id";
      repairs.push({
        action: "rewrote",
        code,
        messageId: message.id,
        ...(call.id ? { callId: call.id } : {}),
      });
    }
    return fine;
  });
  if (usable.every(Boolean) || !AIMessage.isInstance(message)) return message;
  const tool_calls = (message.tool_calls ?? []).filter((_, i) => usable[i]);
  return viewOf(message, (data) => {
    const additional_kwargs = { ...(data.additional_kwargs as Record<string, unknown>) };
    const raw = additional_kwargs.tool_calls;
    if (Array.isArray(raw)) additional_kwargs.tool_calls = raw.filter((_, i) => usable[i]);
    return { additional_kwargs, tool_calls };
  });
}
