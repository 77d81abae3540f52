/**
 * Bodies of an OpenAI-compatible server: completions, stream chunks, errors, with vLLM's token fields. Pure.
 *
 * Owns their form. Tokens are words with their leading space, and their ids are hashes: not a real vocabulary, but enough
 * for a test to tell which ids belong to which text.
 */
import { sha256 } from "../lib/hash.js";
import { spacedWords } from "../text/text.js";

/** One generated token as the server reports it. */
export interface WireToken {
  text: string;
  id: number;
  /** Natural logarithm of its probability. */
  logprob: number;
}

/** What the served model says. Fields left out are derived from the others. */
export interface WireReply {
  content?: string;
  tool_calls?: { name: string; args?: Record<string, unknown> | string; id?: string }[];
  /** Text sent beside the content as `reasoning_content`, as vLLM and SGLang do. */
  reasoning?: string;
  finish_reason?: "stop" | "length" | "tool_calls" | "content_filter";
  /** Default: the tokens of prompt and answer. With null the server reports no usage. */
  usage?: { prompt_tokens: number; completion_tokens: number; cached_tokens?: number } | null;
  /** The generated tokens; default: the words of content and tool calls. */
  tokens?: WireToken[];
  /** Token ids of the prompt as a chat template and a tokenizer would produce them; default: those of its words. */
  promptTokenIds?: readonly number[];
  /** Drops the connection after this many stream chunks. */
  cutAfter?: number;
}

/** The request fields that shape the answer. */
export interface WireRequest {
  model?: string;
  messages?: { role: string; content?: unknown }[];
  stream?: boolean;
  stream_options?: { include_usage?: boolean };
  logprobs?: boolean;
  top_logprobs?: number;
  return_token_ids?: boolean;
  [key: string]: unknown;
}

/** Splits text into tokens with stable ids and log-probabilities below 0. */
export function wireTokens(text: string): WireToken[] {
  return spacedWords(text).map((piece, i) => ({
    text: piece,
    id: Number.parseInt(sha256(piece).slice(0, 4), 16),
    logprob: -0.05 * ((i % 5) + 1),
  }));
}

/** Token ids of the prompt: its messages as JSON, split into tokens. */
export function promptTokenIds(request: WireRequest): number[] {
  return wireTokens(JSON.stringify(request.messages ?? [])).map((token) => token.id);
}

interface Prepared {
  readonly message: Record<string, unknown>;
  readonly toolCalls: Record<string, unknown>[];
  readonly tokens: readonly WireToken[];
  readonly promptIds: readonly number[];
  readonly finish: string;
  /** Undefined if the server reports none. */
  readonly usage: Record<string, unknown> | undefined;
}

function prepare(reply: WireReply, request: WireRequest): Prepared {
  const toolCalls = (reply.tool_calls ?? []).map((call, i) => ({
    id: call.id ?? `call_${i + 1}`,
    type: "function",
    function: {
      name: call.name,
      arguments: typeof call.args === "string" ? call.args : JSON.stringify(call.args ?? {}),
    },
  }));
  const generated = [reply.reasoning, reply.content, ...toolCalls.map((c) => JSON.stringify(c.function))];
  const tokens = reply.tokens ?? wireTokens(generated.filter(Boolean).join(" "));
  const promptIds = reply.promptTokenIds ?? promptTokenIds(request);
  const prompt = reply.usage?.prompt_tokens ?? promptIds.length;
  const completion = reply.usage?.completion_tokens ?? tokens.length;
  const cached = reply.usage?.cached_tokens;
  return {
    message: {
      role: "assistant",
      content: reply.content ?? (toolCalls.length > 0 ? null : ""),
      ...(reply.reasoning !== undefined && { reasoning_content: reply.reasoning }),
      ...(toolCalls.length > 0 && { tool_calls: toolCalls }),
    },
    toolCalls,
    tokens,
    promptIds,
    finish: reply.finish_reason ?? (toolCalls.length > 0 ? "tool_calls" : "stop"),
    usage:
      reply.usage === null
        ? undefined
        : {
            prompt_tokens: prompt,
            completion_tokens: completion,
            total_tokens: prompt + completion,
            ...(cached === undefined ? {} : { prompt_tokens_details: { cached_tokens: cached } }),
          },
  };
}

/** The body of a non-streamed answer. */
export function completionBody(reply: WireReply, request: WireRequest, id: string): Record<string, unknown> {
  const { message, tokens, promptIds, finish, usage } = prepare(reply, request);
  return {
    ...head(request, id, "chat.completion"),
    choices: [
      { index: 0, message, finish_reason: finish, ...extras(request, tokens), ...logprobs(request, tokens) },
    ],
    ...(usage ? { usage } : {}),
    ...(request.return_token_ids && { prompt_token_ids: promptIds }),
  };
}

/** The chunks of a streamed answer, in order, without the closing `[DONE]`. */
export function completionChunks(
  reply: WireReply,
  request: WireRequest,
  id: string,
): Record<string, unknown>[] {
  const { message, toolCalls, tokens, promptIds, finish, usage } = prepare(reply, request);
  const common = head(request, id, "chat.completion.chunk");
  const deltas: Record<string, unknown>[] = [];
  if (reply.reasoning !== undefined) deltas.push({ reasoning_content: reply.reasoning });
  for (const word of wireTokens(String(message.content ?? ""))) deltas.push({ content: word.text });
  toolCalls.forEach((call, index) => {
    const { name, arguments: text } = call.function as { name: string; arguments: string };
    deltas.push({ tool_calls: [{ index, ...call, function: { name, arguments: "" } }] });
    for (const part of text.match(/[\s\S]{1,12}/g) ?? []) {
      deltas.push({ tool_calls: [{ index, function: { arguments: part } }] });
    }
  });
  deltas.push({});
  const chunk = (delta: Record<string, unknown>, part: readonly WireToken[], end: string | null) => ({
    ...common,
    choices: [{ index: 0, delta, finish_reason: end, ...extras(request, part), ...logprobs(request, part) }],
  });
  const first = chunk({ role: "assistant", content: "" }, [], null);
  const rest = deltas.map((delta, i) => {
    const end = i === deltas.length - 1;
    return chunk(delta, tokens.slice(i, end ? undefined : i + 1), end ? finish : null);
  });
  return [
    request.return_token_ids ? { ...first, prompt_token_ids: promptIds } : first,
    ...rest,
    ...(usage && request.stream_options?.include_usage ? [{ ...common, choices: [], usage }] : []),
  ];
}

/** An error body in OpenAI's form. */
export function errorBody(status: number, message: string, code?: string): Record<string, unknown> {
  const type = status >= 500 ? "server_error" : status === 429 ? "rate_limit_error" : "invalid_request_error";
  return { error: { message, type, param: null, code: code ?? null } };
}

function head(request: WireRequest, id: string, object: string): Record<string, unknown> {
  return { id, object, created: 0, model: request.model ?? "scripted" };
}

function extras(request: WireRequest, tokens: readonly WireToken[]): Record<string, unknown> {
  return request.return_token_ids ? { token_ids: tokens.map((token) => token.id) } : {};
}

function logprobs(request: WireRequest, tokens: readonly WireToken[]): Record<string, unknown> {
  if (!request.logprobs) return {};
  if (request.stream && tokens.length === 0) return { logprobs: null };
  const content = tokens.map(({ text, logprob }) => {
    const entry = { token: text, logprob, bytes: [...Buffer.from(text, "utf8")] };
    return { ...entry, top_logprobs: (request.top_logprobs ?? 0) > 0 ? [entry] : [] };
  });
  return { logprobs: { content, refusal: null } };
}
