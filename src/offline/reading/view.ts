/**
 * What the offline policy knows of a conversation: the messages, and nothing a language model would not see.
 *
 * Owns sorting messages into the newest user message, what was called since, what was told before. Leaves out
 * every decision (`rules/`).
 */
import type { BaseMessage } from "@langchain/core/messages";
import { isAIMessage, isToolMessage } from "@langchain/core/messages";
import {
  type BlockMemory,
  hasMemoryBlock,
  hasPlaceholder,
  readMemoryBlocks,
  readToolResults,
  stripMachineText,
} from "./memory-block.js";

/** One tool call of this turn and its result; `ok` is null while no result is known. */
export interface CallRecord {
  name: string;
  args: Record<string, unknown>;
  ok: boolean | null;
  result: string;
}

/** Everything the rules look at. */
export interface ConversationView {
  system: string;
  /** Share of the context used, in percent, as the system prompt says; 0 when it does not. */
  contextPercent: number;
  /** Budget of the context in tokens; 0 when the system prompt does not say it. */
  maxTokens: number;
  /** The system prompt explains the tag protocol. */
  textProtocol: boolean;
  /** The system prompt asks for the answer now. */
  lastStep: boolean;
  /** Newest message of the user, without machine text, and the ones before. */
  userText: string;
  earlierUserTexts: string[];
  /** Texts of summary messages, oldest first. */
  summaries: string[];
  /** The newest user message carries a block of memories; the memories shown in it. */
  hasBlock: boolean;
  shownNow: BlockMemory[];
  /** A filter has cut the newest user message. */
  wasFiltered: boolean;
  calls: CallRecord[];
  /** Calls before the newest user message, oldest first. */
  earlierCalls: CallRecord[];
  responses: number;
  /** Content of each memory seen anywhere in the context, newest wording; deleted ones are gone. */
  memories: Map<string, BlockMemory>;
  /** Contents that were deleted in this context. */
  deleted: string[];
  /** Messages before the newest user message that are neither system nor summary, and their characters. */
  olderMessages: number;
  olderLength: number;
}

const SUMMARY = /^\s*<(?:context_)?summary\b/;
const SUMMARY_TAGS = /<\/?(?:context_)?summary\b[^<>]{0,400}>/g;

/** Of longer messages only head and tail are read, so that time stays bounded. */
const MAX_READ = 24_000;

/** Sorts messages into a view. Never throws on odd input; an empty list gives an empty view. */
export function readConversation(messages: readonly BaseMessage[]): ConversationView {
  const view = emptyView();
  const open = new Map<string, CallRecord>();
  let unanswered: CallRecord[] = [];
  let count = -1;
  let length = 0;
  for (const message of messages) {
    const text = boundedText(message.text ?? "");
    if (message.type !== "system") count++;
    if (isAIMessage(message)) {
      view.responses++;
      const calls = (message.tool_calls ?? []).map((call) => ({
        id: call.id,
        record: newRecord(call.name, call.args),
      }));
      for (const { id, record } of calls) if (id) open.set(id, record);
      unanswered = calls.length > 0 ? [] : readTextCalls(text);
      view.calls.push(...calls.map((call) => call.record), ...unanswered);
    } else if (isToolMessage(message)) {
      const record = open.get(message.tool_call_id);
      if (record) settle(view, record, message.status !== "error", text);
      else noteShown(view, readMemoryBlocks(text));
    } else if (message.type === "system") {
      readSystem(view, text);
    } else {
      readUserMessage(view, text, unanswered, { count, length });
    }
    if (message.type !== "system" && !SUMMARY.test(text)) length += sizeOf(message, text);
  }
  return view;
}

function emptyView(): ConversationView {
  return {
    system: "",
    contextPercent: 0,
    maxTokens: 0,
    textProtocol: false,
    lastStep: false,
    userText: "",
    earlierUserTexts: [],
    summaries: [],
    hasBlock: false,
    shownNow: [],
    wasFiltered: false,
    calls: [],
    earlierCalls: [],
    responses: 0,
    memories: new Map(),
    deleted: [],
    olderMessages: 0,
    olderLength: 0,
  };
}

function readSystem(view: ConversationView, text: string): void {
  view.system += `${text}\n`;
  const share = [...text.matchAll(/^Context: about (\d{1,3})% of (\d{1,9}) tokens/gm)].at(-1);
  if (share) {
    view.contextPercent = Number(share[1]);
    view.maxTokens = Number(share[2]);
  }
  view.textProtocol ||= text.includes("<tool_call>") && text.includes("<answer>");
  view.lastStep ||= /^This is your last step\b/m.test(text);
}

function readUserMessage(
  view: ConversationView,
  text: string,
  unanswered: CallRecord[],
  before: { count: number; length: number },
): void {
  const results = readToolResults(text);
  if (results) {
    for (const result of results) {
      const record = unanswered.find((call) => call.ok === null && call.name === result.name);
      if (record) settle(view, record, result.ok, result.text);
    }
    return;
  }
  if (SUMMARY.test(text)) {
    view.summaries.push(stripMachineText(text.replace(SUMMARY_TAGS, "")));
    noteShown(view, readMemoryBlocks(text));
    return;
  }
  if (text.startsWith("Your last response could not be read")) return;
  const shown = readMemoryBlocks(text);
  noteShown(view, shown);
  const own = stripMachineText(text);
  if (!own && shown.length > 0 && view.userText) {
    view.shownNow.push(...shown);
    return;
  }
  if (view.userText) view.earlierUserTexts.push(view.userText);
  view.userText = own;
  view.hasBlock = hasMemoryBlock(text);
  view.shownNow = shown;
  view.wasFiltered = hasPlaceholder(text);
  view.olderMessages = before.count - view.summaries.length;
  view.olderLength = before.length;
  view.earlierCalls.push(...view.calls);
  view.calls = [];
  view.responses = 0;
}

function settle(view: ConversationView, record: CallRecord, ok: boolean, text: string): void {
  record.ok = ok;
  record.result = text;
  noteShown(view, readMemoryBlocks(text));
  if (!ok) return;
  const content = String(record.args.content ?? "");
  const stored = /^Stored as memory (\S+?)\.?$/m.exec(text);
  if (stored?.[1] && content) noteShown(view, [{ id: stored[1], content, type: "fact", score: 0 }]);
  const id = String(record.args.memory_id ?? "");
  const known = view.memories.get(id);
  if (record.name === "Update_memory" && content) {
    view.memories.delete(id);
    view.memories.set(id, { id, content, type: known?.type ?? "fact", score: known?.score ?? 0 });
  }
  if (record.name === "Delete_memory") {
    if (known) view.deleted.push(known.content);
    view.memories.delete(id);
  }
}

function noteShown(view: ConversationView, shown: readonly BlockMemory[]): void {
  for (const memory of shown) {
    if (memory.content) view.memories.set(memory.id, memory);
  }
}

function newRecord(name: string, args: unknown): CallRecord {
  const record = typeof args === "object" && args !== null ? (args as Record<string, unknown>) : {};
  return { name, args: record, ok: null, result: "" };
}

/** Calls an assistant wrote in tags. Calls that do not parse were not run. */
function readTextCalls(text: string): CallRecord[] {
  const start = text.indexOf("<tool_call>");
  const end = text.indexOf("</tool_call>", start);
  if (start < 0 || end < 0) return [];
  let value: unknown;
  try {
    value = JSON.parse(text.slice(start + "<tool_call>".length, end));
  } catch {
    return [];
  }
  if (!Array.isArray(value)) return [];
  return value
    .filter((call): call is { name: string; arguments?: unknown } => typeof call?.name === "string")
    .map((call) => newRecord(call.name, call.arguments));
}

function sizeOf(message: BaseMessage, text: string): number {
  const calls = isAIMessage(message) ? (message.tool_calls ?? []) : [];
  return text.length + (calls.length > 0 ? JSON.stringify(calls).length : 0);
}

function boundedText(text: string): string {
  return text.length <= MAX_READ
    ? text
    : `${text.slice(0, MAX_READ * 0.75)}\n${text.slice(-MAX_READ * 0.25)}`;
}
