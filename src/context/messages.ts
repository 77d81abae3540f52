/**
 * Reads and copies single chat messages: ids, origin, text, content blocks, tool calls, storage form.
 *
 * Owns what the other files of `context/` need to know about one message. Leaves out lists of messages (`rounds.ts`)
 * and token counts (`budget.ts`). Pure; messages are never modified in place.
 */
import { Document } from "@langchain/core/documents";
import {
  AIMessage,
  BaseMessage,
  HumanMessage,
  mapStoredMessagesToChatMessages,
  type StoredMessage,
  ToolMessage,
} from "@langchain/core/messages";
import { fromExactJson, type InstanceForm, toExactJson } from "../lib/exact-json.js";
import type { MessageOrigin } from "../types.js";

/** `additional_kwargs` key for a message's origin where its role is misleading (a tool result sent as user). */
export const ORIGIN_KEY = "agemem_origin";
/** `additional_kwargs.lc_source` of a summary, the same value as langchain's own summarization uses. */
export const SUMMARY_SOURCE = "summarization";
/** `additional_kwargs` key of our summaries: the edit that made it, how many messages and rounds it replaced. */
export const SUMMARY_KEY = "agemem_summary";

/** One block of array content. */
export type ContentBlock = { type: string } & Record<string, unknown>;

/** A tool call in the form common to all providers; `id` is undefined if the model gave none. */
export interface CallRef {
  id: string | undefined;
  name: string;
  args: unknown;
}

/** The message's id. Throws `TypeError` if it has none, because edits, facts and archives refer to messages by id. */
export function idOf(message: BaseMessage): string {
  if (typeof message.id === "string" && message.id !== "") return message.id;
  throw new TypeError(
    `A ${message.type} message has no id. Ids come from the messages reducer: pass messages read from graph state, or set "id".`,
  );
}

/** Whether it is a summary, made here or by langchain's summarization. */
export function isSummary(message: BaseMessage): boolean {
  return message.type === "human" && message.additional_kwargs.lc_source === SUMMARY_SOURCE;
}

/** The message's origin, from its marks or else its role. */
export function originOf(message: BaseMessage): MessageOrigin {
  const marked = message.additional_kwargs[ORIGIN_KEY];
  if (isOrigin(marked)) return marked;
  if (isSummary(message)) return "summary";
  if (message.type === "system") return "system";
  if (message.type === "ai") return "assistant";
  if (message.type === "tool" || message.type === "function") return "tool";
  return "user";
}

function isOrigin(value: unknown): value is MessageOrigin {
  return (
    value === "system" ||
    value === "user" ||
    value === "assistant" ||
    value === "tool" ||
    value === "memory" ||
    value === "summary"
  );
}

/** Whether a person wrote it: a human message that is neither a summary nor marked otherwise. */
export function isUserMessage(message: BaseMessage): boolean {
  return message.type === "human" && originOf(message) === "user";
}

/** The newest user message, or undefined. */
export function newestUserMessage(messages: readonly BaseMessage[]): BaseMessage | undefined {
  return messages.findLast(isUserMessage);
}

/** The content as blocks; a string becomes one text block. */
export function blocksOf(message: BaseMessage): ContentBlock[] {
  const content: unknown = message.content;
  if (typeof content === "string") return content === "" ? [] : [{ type: "text", text: content }];
  if (!Array.isArray(content)) return [];
  return content.map((block: unknown) =>
    typeof block === "string"
      ? { type: "text", text: block }
      : ({ type: "unknown", ...(block as Record<string, unknown>) } as ContentBlock),
  );
}

/** The text of a text block, or undefined for any other block. */
export function textOfBlock(block: ContentBlock): string | undefined {
  return block.type === "text" && typeof block.text === "string" ? block.text : undefined;
}

/** All text of the message, blocks joined by newlines. */
export function textOf(message: BaseMessage): string {
  return blocksOf(message)
    .map(textOfBlock)
    .filter((text) => text !== undefined)
    .join("\n");
}

/** Whether the content has anything besides text and call blocks: images, files, reasoning. */
export function hasOpaqueBlocks(message: BaseMessage): boolean {
  return blocksOf(message).some((block) => textOfBlock(block) === undefined && !isCallBlock(block));
}

/** Whether it is a call block, which only repeats what `tool_calls` says. */
export function isCallBlock(block: ContentBlock): boolean {
  return block.type === "tool_call" || block.type === "tool_use" || block.type === "tool_call_chunk";
}

/**
 * Tool calls of an assistant message; empty for every other message. If LangChain parsed none, they are the provider's
 * raw calls, whose arguments are unparsed.
 */
export function callsOf(message: BaseMessage): CallRef[] {
  if (!AIMessage.isInstance(message)) return [];
  const parsed = message.tool_calls ?? [];
  if (parsed.length > 0) return parsed.map((call) => ({ id: call.id, name: call.name, args: call.args }));
  const raw = message.additional_kwargs.tool_calls;
  if (!Array.isArray(raw)) return [];
  return raw.map((call) => ({
    id: call.id,
    name: call.function?.name ?? "",
    args: call.function?.arguments ?? "",
  }));
}

/** The call id a ToolMessage answers; undefined for every other message. */
export function answeredCallOf(message: BaseMessage): string | undefined {
  return ToolMessage.isInstance(message) ? message.tool_call_id : undefined;
}

const FIELDS = [
  "id",
  "name",
  "content",
  "additional_kwargs",
  "response_metadata",
  "tool_calls",
  "invalid_tool_calls",
  "usage_metadata",
  "tool_call_id",
  "status",
  "artifact",
  "metadata",
  "role",
] as const;

/** The message's fields, including those set after construction, which `toDict()` alone would omit. */
function fieldsOf(message: BaseMessage): StoredMessage {
  const stored = message.toDict();
  const data: Record<string, unknown> = { ...stored.data };
  for (const field of FIELDS) {
    const value = (message as unknown as Record<string, unknown>)[field];
    if (value !== undefined) data[field] = value;
  }
  return { type: stored.type, data } as unknown as StoredMessage;
}

/** Class instances that LangChain's tools put into artifacts: documents of a retriever, messages of another agent. */
const FORMS: readonly InstanceForm[] = [
  {
    kind: "Document",
    is: (value) => value instanceof Document,
    write: (value) => ({ ...(value as Document) }),
    read: (fields) => new Document(fields as unknown as ConstructorParameters<typeof Document>[0]),
  },
  {
    kind: "BaseMessage",
    is: (value) => BaseMessage.isInstance(value),
    write: (value) => ({ ...fieldsOf(value as BaseMessage) }),
    read: (fields) => mapStoredMessagesToChatMessages([fields as unknown as StoredMessage])[0] as BaseMessage,
  },
];

/**
 * The message in LangChain's storage form: a JSON-serializable deep copy that can be read back exactly
 * (`lib/exact-json.ts`).
 *
 * @throws InputError `AGEMEM_INPUT_ARGUMENT` for a value that cannot be read back exactly, such as an instance of an
 * application's class
 */
export function storeMessage(message: BaseMessage): StoredMessage {
  const { type, data } = fieldsOf(message);
  return toExactJson({ type, data }, FORMS) as unknown as StoredMessage;
}

/** The inverse of {@link storeMessage}; message chunks come back as whole messages. */
export function loadMessage(stored: StoredMessage): BaseMessage {
  const copy = fromExactJson(stored, FORMS) as StoredMessage;
  return mapStoredMessagesToChatMessages([copy])[0] as BaseMessage;
}

/**
 * A copy of the message for sending, with some fields changed. The artifact, which is not sent, is left out, so that an
 * artifact that cannot be copied exactly does not prevent sending.
 *
 * @param change returns the fields to change, given those of the copy
 */
export function viewOf(
  message: BaseMessage,
  change: (data: Record<string, unknown>) => Record<string, unknown>,
): BaseMessage {
  const { type, data } = fieldsOf(message);
  const { artifact: _, ...sent } = data as unknown as Record<string, unknown>;
  const copy = toExactJson({ type, data: sent }, FORMS) as unknown as { data: Record<string, unknown> };
  const changed = { ...copy.data, ...change(copy.data) };
  return loadMessage({ type, data: changed as unknown as StoredMessage["data"] });
}

/**
 * A copy of the message with other content. A provider's raw output (`response_metadata.output` of OpenAI's Responses
 * API) is left out, because it would be sent instead of the new content.
 */
export function withContent(
  message: BaseMessage,
  content: string | ContentBlock[],
  extra: Record<string, unknown> = {},
): BaseMessage {
  const stored = storeMessage(message);
  const data = stored.data as unknown as Record<string, unknown>;
  const metadata = { ...(data.response_metadata as Record<string, unknown> | undefined) };
  if (Array.isArray(metadata.output)) delete metadata.output;
  const copy = { ...data, content: toExactJson(content, FORMS), response_metadata: metadata, ...extra };
  return loadMessage({ type: stored.type, data: copy as unknown as StoredMessage["data"] });
}

/** A user-role message with an id and marks in `additional_kwargs`. */
export function humanMessage(id: string, text: string, kwargs: Record<string, unknown>): HumanMessage {
  return new HumanMessage({ id, content: text, additional_kwargs: kwargs });
}
