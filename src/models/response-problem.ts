/**
 * Whether a response's tool calls are complete: was it cut off, and are the arguments JSON objects?
 *
 * LangChain completes truncated arguments of a streamed call by guessing: `{"memory_id": "m1", "content": "She li`
 * becomes a call with the content "She li". Owns reading stop reasons and raw arguments under each provider's names.
 * Leaves out how to react. Pure.
 */
import { AIMessage, type AIMessageChunk } from "@langchain/core/messages";
import type { InvalidToolCall } from "@langchain/core/messages/tool";

/** Where providers and their LangChain classes put the stop reason. */
const STOP_KEYS = [
  "finish_reason",
  "finishReason",
  "stop_reason",
  "stopReason",
  "done_reason",
  "incomplete_details",
  "messageStop",
] as const;

/** Stop reasons of an unfinished response, letters only. Merging chunks may repeat one. */
const UNFINISHED =
  /^(?:length|maxtokens|maxoutputtokens|maxlength|modellength|modelcontextwindowexceeded|contextwindowexceeded|contentfilter|contentfiltered|guardrailintervened|refusal|safety|recitation|blocklist|prohibitedcontent|spii|malformedfunctioncall|malformedtooluse|errorlimit|errortoxic|error|abort)+$/;

/**
 * The provider's reason for a response that ended early ("length", "max_tokens", "MAX_TOKENS" …); undefined for one
 * that is complete or has no known reason.
 */
export function earlyStop(response: AIMessage): string | undefined {
  return stopReasons(response.response_metadata)
    .concat(stopReasons(response.additional_kwargs))
    .find((reason) =>
      UNFINISHED.test(
        reason
          .slice(0, 100)
          .toLowerCase()
          .replace(/[^a-z]/g, ""),
      ),
    );
}

function stopReasons(fields: Readonly<Record<string, unknown>> = {}): string[] {
  return STOP_KEYS.flatMap((key) => {
    const value = fields[key];
    if (typeof value === "string") return [value];
    if (typeof value !== "object" || value === null) return [];
    const { reason, stopReason } = value as { reason?: unknown; stopReason?: unknown };
    return [reason, stopReason].filter((each) => typeof each === "string");
  });
}

/**
 * Why none of the response's calls may run; undefined when they can be trusted, or there are none.
 *
 * @example
 * callProblem(new AIMessage({ content: "", tool_calls, response_metadata: { finish_reason: "length" } }));
 * // "it was cut off (length) before its tool calls were complete"
 */
export function callProblem(response: AIMessage): string | undefined {
  const calls = response.tool_calls ?? [];
  const invalid = response.invalid_tool_calls ?? [];
  if (calls.length + invalid.length === 0) return undefined;
  const stop = earlyStop(response);
  if (stop !== undefined) return `it was cut off (${stop}) before its tool calls were complete`;
  const broken = [
    ...invalid,
    ...calls.filter(({ args }) => !isPlainObject(args)),
    ...rawCalls(response).filter(({ args }) => !isObjectText(args)),
  ];
  if (broken.length === 0) return undefined;
  const names = [...new Set(broken.map(({ name }) => name || "?"))].join(", ");
  return `the arguments of ${names} are not JSON objects`;
}

/**
 * The response with all its calls moved to `invalid_tool_calls`, arguments as the model wrote them, so that no code
 * the message passes through can run them.
 */
export function withoutCalls(response: AIMessage): AIMessage {
  const raw = new Map(rawCalls(response).map(({ id, args }) => [id, args]));
  const { tool_calls: _, ...kwargs } = response.additional_kwargs;
  const refused = (response.tool_calls ?? []).map(
    ({ id, name, args }): InvalidToolCall => ({
      type: "invalid_tool_call",
      ...(id === undefined ? {} : { id }),
      name,
      args: raw.get(id) ?? JSON.stringify(args),
    }),
  );
  return new AIMessage({
    content: response.content,
    ...(response.id === undefined ? {} : { id: response.id }),
    ...(response.name === undefined ? {} : { name: response.name }),
    additional_kwargs: kwargs,
    response_metadata: response.response_metadata,
    ...(response.usage_metadata ? { usage_metadata: response.usage_metadata } : {}),
    tool_calls: [],
    invalid_tool_calls: [...refused, ...(response.invalid_tool_calls ?? [])],
  });
}

interface RawCall {
  id: string | undefined;
  name: string | undefined;
  /** Text as the model wrote it; "" means no arguments. */
  args: string;
}

type Chunk = NonNullable<AIMessageChunk["tool_call_chunks"]>[number] & { isCustomTool?: boolean };

/** The calls with unparsed arguments, if the message still has them. */
function rawCalls(response: AIMessage): RawCall[] {
  const { tool_call_chunks: chunks = [] } = response as Partial<AIMessageChunk>;
  if (chunks.length > 0) return joinChunks(chunks);
  const provided: unknown = response.additional_kwargs.tool_calls;
  if (!Array.isArray(provided)) return [];
  return provided.flatMap((call) => {
    const { name, arguments: args } = (call?.function ?? {}) as { name?: string; arguments?: unknown };
    return typeof args === "string" ? [{ id: call.id, name, args }] : [];
  });
}

/** Joins the chunks of each call as LangChain does: by id and index, or whichever of the two there is. */
function joinChunks(chunks: readonly Chunk[]): RawCall[] {
  const groups: Chunk[][] = [];
  for (const chunk of chunks) {
    const group = groups.find(([first]) => first !== undefined && isSameCall(first, chunk));
    if (group) group.push(chunk);
    else groups.push([chunk]);
  }
  return groups
    .filter((group) => !group.some(({ isCustomTool }) => isCustomTool))
    .map((group) => ({
      id: group.find(({ id }) => id)?.id,
      name: group.find(({ name }) => name)?.name,
      args: group.map(({ args }) => args ?? "").join(""),
    }));
}

function isSameCall(first: Chunk, chunk: Chunk): boolean {
  if (chunk.id && chunk.index !== undefined) return chunk.id === first.id && chunk.index === first.index;
  if (chunk.id) return chunk.id === first.id;
  return chunk.index !== undefined && chunk.index === first.index;
}

function isObjectText(text: string): boolean {
  if (text.trim() === "") return true;
  try {
    return isPlainObject(JSON.parse(text));
  } catch {
    // That it is not JSON is the answer.
    return false;
  }
}

function isPlainObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
