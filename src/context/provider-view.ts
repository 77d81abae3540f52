/**
 * The view of a chat history that is sent: one that OpenAI and Anthropic both accept, whatever the state holds.
 *
 * Owns the rules beyond calls and answers (`validity.ts`): a single system message at the front, then a user message;
 * no empty messages; unreadable calls sent without arguments and answered; no call id used twice. Pure: the state is
 * unchanged, and messages that obey the rules are passed on as the same objects.
 */
import {
  AIMessage,
  type BaseMessage,
  HumanMessage,
  SystemMessage,
  ToolMessage,
} from "@langchain/core/messages";
import { type ContentBlock, callsOf, isCallBlock, textOfBlock, viewOf } from "./messages.js";
import { repairChatHistory } from "./validity.js";

/** Put first if the conversation does not begin with a user message, which Anthropic requires. */
export const OPENING = "[start of the conversation]";
/** Replaces a user message without content, which Anthropic rejects. */
export const EMPTY_MESSAGE = "[empty message]";
/** The answer to a call whose arguments could not be parsed or were cut off. */
export const UNREADABLE_CALL =
  "Error: this call did not run, because its arguments were not complete JSON. Call the tool again if you need it.";

/**
 * The history in a form that providers accept.
 *
 * @example
 * const response = await model.invoke(providerView([new SystemMessage(prompt), ...state.messages]));
 */
export function providerView(messages: readonly BaseMessage[]): BaseMessage[] {
  const unreadable = new Set<string>();
  const readable = messages.flatMap((message) => readableForm(message, unreadable));
  const missing = (callId: string) => (unreadable.has(callId) ? UNREADABLE_CALL : undefined);
  const repaired = repairChatHistory(readable, { missing }).messages;
  return withOpening(withOneSystem(withUniqueCallIds(repaired)));
}

/** The message in a non-empty form; nothing for an assistant or system message that says nothing. */
function readableForm(message: BaseMessage, unreadable: Set<string>): BaseMessage[] {
  if (AIMessage.isInstance(message)) return assistantForm(message, unreadable);
  const blank = isBlank(message.content);
  if (message.type === "human" && blank) {
    return [new HumanMessage({ ...identity(message), content: EMPTY_MESSAGE })];
  }
  if (message.type === "system" && blank) return [];
  return hasBlankText(message.content)
    ? [rewritten(message, { content: spoken(message.content) })]
    : [message];
}

function assistantForm(message: AIMessage, unreadable: Set<string>): BaseMessage[] {
  const calls = sentCalls(message, unreadable);
  if (calls.length === 0 && isSilent(message.content)) return [];
  const own = message.tool_calls ?? [];
  const asIs =
    calls.length === own.length && calls.every((call, i) => call === own[i]) && !hasOtherCalls(message);
  if (asIs && !hasBlankText(message.content)) return [message];
  const spokenContent = spoken(message.content);
  const content = asIs ? spokenContent : withCallsOf(calls, spokenContent);
  return [rewritten(message, { content, tool_calls: calls, invalid_tool_calls: [] })];
}

/** Whether the content has call blocks that are not the message's calls, or one twice. */
function hasOtherCalls({ content, tool_calls = [] }: AIMessage): boolean {
  if (typeof content === "string") return false;
  const named = (content as ContentBlock[]).filter(isCallBlock).map(({ id }) => id);
  return new Set(named).size < named.length || named.some((id) => !tool_calls.some((call) => call.id === id));
}

/** Aligns the call blocks that Anthropic's messages have in their content: each call once, with the arguments sent. */
function withCallsOf(calls: readonly Call[], content: string | ContentBlock[]): string | ContentBlock[] {
  if (typeof content === "string") return content;
  const left = new Map(calls.map((call) => [call.id, call]));
  const blocks = content.flatMap((block) => {
    if (!isCallBlock(block)) return [block];
    const call = left.get(block.id as string);
    left.delete(block.id as string);
    return call ? [{ ...block, input: call.args }] : [];
  });
  return blocks.length > 0 ? blocks : "";
}

type Call = NonNullable<AIMessage["tool_calls"]>[number];

/**
 * The calls as they are sent: unreadable ones without arguments, and marked for an answer. A call without a name or an
 * id cannot be answered and is left out, and so is a second call with the same id.
 */
function sentCalls(message: AIMessage, unreadable: Set<string>): Call[] {
  const own = message.tool_calls ?? [];
  const invalid = message.invalid_tool_calls ?? [];
  const raw = own.length + invalid.length === 0 ? callsOf(message) : [];
  const lost = [...invalid, ...raw].flatMap(({ id, name }): Call[] => {
    if (!id || !name) return [];
    unreadable.add(id);
    return [{ type: "tool_call", id, name, args: {} }];
  });
  const sent = new Map<string | undefined, Call>();
  for (const call of [...own, ...lost]) {
    if (call.id && !sent.has(call.id)) sent.set(call.id, isRecord(call.args) ? call : { ...call, args: {} });
  }
  return [...sent.values()];
}

/** Anthropic requires call ids to be unique in the whole request, but some servers count from 0 in each response. */
function withUniqueCallIds(messages: BaseMessage[]): BaseMessage[] {
  const seen = new Set<string>();
  let renamed = new Map<string, string>();
  return messages.map((message) => {
    if (ToolMessage.isInstance(message)) {
      const id = renamed.get(message.tool_call_id);
      return id === undefined ? message : rewritten(message, { tool_call_id: id });
    }
    const calls = callsOf(message);
    if (calls.length === 0) return message;
    renamed = new Map();
    for (const { id = "" } of calls) {
      const free = freeId(id, seen);
      if (free !== id) renamed.set(id, free);
      seen.add(free);
    }
    return renamed.size === 0 ? message : withCallIds(message as AIMessage, renamed);
  });
}

function freeId(id: string, seen: ReadonlySet<string>): string {
  if (!seen.has(id)) return id;
  for (let i = 2; ; i++) if (!seen.has(`${id}_${i}`)) return `${id}_${i}`;
}

function withCallIds(message: AIMessage, renamed: ReadonlyMap<string, string>): BaseMessage {
  const idOf = (id: unknown) => renamed.get(id as string) ?? id;
  const content =
    typeof message.content === "string"
      ? message.content
      : (message.content as ContentBlock[]).map((b) => (isCallBlock(b) ? { ...b, id: idOf(b.id) } : b));
  const tool_calls = (message.tool_calls ?? []).map((call) => ({ ...call, id: idOf(call.id) }));
  return rewritten(message, { content, tool_calls });
}

/** Joins the system messages, because older releases of ChatAnthropic throw at a second one. */
function withOneSystem(messages: BaseMessage[]): BaseMessage[] {
  const count = messages.findIndex((message) => message.type !== "system");
  const front = messages.slice(0, count === -1 ? messages.length : count);
  const [first, ...more] = front;
  if (!first || more.length === 0) return messages;
  const content = front.every(({ content }) => typeof content === "string")
    ? front.map(({ content }) => content).join("\n\n")
    : front.flatMap(({ content }) =>
        typeof content === "string" ? [{ type: "text" as const, text: content }] : content,
      );
  const system = new SystemMessage({ ...identity(first), content: content as string });
  return [system, ...messages.slice(front.length)];
}

function withOpening(messages: BaseMessage[]): BaseMessage[] {
  const front = messages.findIndex((message) => message.type !== "system");
  const at = front === -1 ? messages.length : front;
  const first = messages[at];
  if (first?.type === "human") return messages;
  const id = first?.id === undefined ? {} : { id: `${first.id}-opening` };
  return [...messages.slice(0, at), new HumanMessage({ ...id, content: OPENING }), ...messages.slice(at)];
}

/** Whether a reader would see nothing: no text, or only reasoning. */
function isSilent(content: BaseMessage["content"]): boolean {
  if (typeof content === "string") return content.trim() === "";
  return (content as ContentBlock[]).every(
    (block) => isBlankBlock(block) || isCallBlock(block) || /reasoning|thinking/.test(block.type),
  );
}

function isBlank(content: BaseMessage["content"]): boolean {
  return typeof content === "string"
    ? content.trim() === ""
    : (content as ContentBlock[]).every((block) => isBlankBlock(block));
}

function hasBlankText(content: BaseMessage["content"]): boolean {
  return typeof content === "string"
    ? content !== "" && content.trim() === ""
    : (content as ContentBlock[]).some((block) => isBlankBlock(block));
}

/** The content without blank text blocks. */
function spoken(content: BaseMessage["content"]): string | ContentBlock[] {
  if (typeof content === "string") return content.trim() === "" ? "" : content;
  const blocks = (content as ContentBlock[]).filter((block) => !isBlankBlock(block));
  return blocks.length > 0 ? blocks : "";
}

function isBlankBlock(block: ContentBlock | string): boolean {
  return (typeof block === "string" ? block : textOfBlock(block))?.trim() === "";
}

/** A copy with changed fields. A provider's raw calls and output are dropped: they would be sent instead. */
function rewritten(message: BaseMessage, fields: Record<string, unknown>): BaseMessage {
  return viewOf(message, (data) => {
    if (!AIMessage.isInstance(message)) return fields;
    const { tool_calls: _, ...additional_kwargs } = {
      ...(data.additional_kwargs as Record<string, unknown>),
    };
    const { output: __, ...response_metadata } = { ...(data.response_metadata as Record<string, unknown>) };
    return { additional_kwargs, response_metadata, ...fields };
  });
}

function identity({ id, name }: BaseMessage): { id?: string; name?: string } {
  return { ...(id === undefined ? {} : { id }), ...(name === undefined ? {} : { name }) };
}

function isRecord(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
