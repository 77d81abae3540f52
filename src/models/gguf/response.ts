/**
 * From generated tokens to a message: text, what may be streamed of it already, tool calls, reasoning.
 *
 * Owns decoding and the shape of the response, token ids and log-probabilities as vLLM sends them. Leaves out generating.
 */
import { AIMessage } from "@langchain/core/messages";
import { shortHash } from "../../lib/hash.js";
import { readToolText, type ToolTextForm } from "../tool-text/tool-text.js";

/** What is needed to turn tokens into text. */
export interface Decoder {
  detokenize(tokens: readonly number[], specialTokens?: boolean, lastTokens?: readonly number[]): string;
}

/** Text as it grows. A character may need several tokens, so the newest ones can be held back. */
export class TextStream {
  text = "";
  #pending: number[] = [];
  readonly #done: number[] = [];

  constructor(private readonly decoder: Decoder) {}

  /** Adds a token; the text is longer afterwards unless the token is part of a character. */
  push(token: number): void {
    this.#pending.push(token);
    const piece = this.#decode();
    if (piece.endsWith("\ufffd") && this.#pending.length < 8) return;
    this.#take(piece);
  }

  /** The whole text, also of a character that was never finished. */
  end(): string {
    if (this.#pending.length > 0) this.#take(this.#decode());
    return this.text;
  }

  #decode(): string {
    return this.decoder.detokenize(this.#pending, true, this.#done.slice(-8));
  }

  #take(piece: string): void {
    this.text += piece;
    this.#done.push(...this.#pending);
    this.#pending = [];
  }
}

/** How a response is to be read. */
export interface Reading {
  /** Names of the tools offered; empty: a call is not looked for. */
  names: ReadonlySet<string>;
  form: ToolTextForm;
  stop: readonly string[];
  /** The prompt ended with an open `<think>`. */
  thinking: boolean;
}

/** Where the first stop string begins. */
export function stopAt(text: string, stop: readonly string[]): { at: number; by: string } | undefined {
  const found = stop.flatMap((by) => (by !== "" && text.includes(by) ? [{ at: text.indexOf(by), by }] : []));
  return found.sort((a, b) => a.at - b.at)[0];
}

const CALL_MARKS = ["<tool_call>", "[TOOL_CALLS]", "<|python_tag|>", "```"];

/** The part of an unfinished text that will be part of the content, however it goes on. */
export function visiblePart(text: string, { names, stop, thinking }: Reading): string {
  if (thinking && !text.includes("</think>")) return "";
  const marks = [...stop, "<think>", "</think>", ...(names.size > 0 ? CALL_MARKS : [])];
  if (text.includes("<think>") || text.includes("</think>")) return "";
  const trimmed = text.trimStart();
  // Bare JSON may be a call.
  if (names.size > 0 && /^[[{]/.test(trimmed)) return "";
  let end = trimmed.length;
  for (const mark of marks) {
    const at = trimmed.indexOf(mark);
    if (at >= 0) end = Math.min(end, at);
    for (let length = Math.min(mark.length - 1, trimmed.length); length > 0; length--) {
      if (!trimmed.endsWith(mark.slice(0, length))) continue;
      end = Math.min(end, trimmed.length - length);
      break;
    }
  }
  return trimmed.slice(0, end).trimEnd();
}

/** What a generation gave. */
export interface ResponseFacts {
  model: string;
  prompt: readonly number[];
  tokens: readonly number[];
  logProbs: readonly number[] | null;
  /** Prompt tokens held already. */
  reused: number;
  /** Whole text without the token that ends the turn. */
  text: string;
  finish: "stop" | "length" | "told";
  recordTokens: boolean;
}

/** The message of a response. Calls that cannot be read arrive in `invalid_tool_calls`. */
export function toMessage(facts: ResponseFacts, reading: Reading): AIMessage {
  const { prompt, tokens, reused } = facts;
  const stopped = stopAt(facts.text, reading.stop);
  const text = stopped ? facts.text.slice(0, stopped.at) : facts.text;
  const read = readToolText(reading.thinking ? `<think>${text}` : text, reading.form, reading.names);
  const offered = reading.names.size > 0;
  const calls = offered ? read.calls : [];
  const key = shortHash(`${prompt.join()}/${tokens.join()}`, 12);
  const finish = facts.finish === "length" ? "length" : calls.length > 0 ? "tool_calls" : "stop";
  const raw = facts.recordTokens ? { __raw_response: rawResponse(facts, finish, stopped?.by ?? null) } : {};
  return new AIMessage({
    id: `gguf-${key}`,
    content: offered || read.reasoning !== null ? read.content : text.trim(),
    tool_calls: calls.map(({ name, args }, index) => ({
      type: "tool_call" as const,
      id: `call_${shortHash(`${key}/${index}`, 12)}`,
      name,
      args,
    })),
    invalid_tool_calls:
      offered && read.broken !== null
        ? [{ type: "invalid_tool_call", id: `call_${key}`, name: "", args: text, error: read.broken }]
        : [],
    additional_kwargs: { ...(read.reasoning === null ? {} : { reasoning_content: read.reasoning }), ...raw },
    response_metadata: { model_name: facts.model, finish_reason: finish },
    usage_metadata: {
      input_tokens: prompt.length,
      output_tokens: tokens.length,
      total_tokens: prompt.length + tokens.length,
      input_token_details: { cache_read: reused },
    },
  });
}

/** The body vLLM would have sent, as far as recordings read it (`trajectory/token-ids.ts`). */
function rawResponse(facts: ResponseFacts, finish: string, stop: string | null) {
  const { model, prompt, tokens, logProbs } = facts;
  return {
    model,
    prompt_token_ids: [...prompt],
    choices: [
      {
        index: 0,
        token_ids: [...tokens],
        finish_reason: finish,
        stop_reason: stop,
        logprobs: logProbs && {
          content: logProbs.map((logprob, at) => ({ token: `token_id:${tokens[at]}`, logprob })),
        },
      },
    ],
    usage: { prompt_tokens: prompt.length, completion_tokens: tokens.length },
  };
}
