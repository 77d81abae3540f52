/** The provider's tool calling: tools are bound to the model, and calls arrive parsed or are read from the text. */
import type { AIMessage } from "@langchain/core/messages";
import { ConfigError } from "../../errors.js";
import { callProblem, earlyStop, withoutCalls } from "../../models/response-problem.js";
import { thinkPrompt } from "../../prompts.js";
import { withIds } from "../calls.js";
import type { AgentProtocol, ModelTurn, ProtocolOptions } from "../protocol.js";
import { type WrittenCallsReader, writtenCallsReader } from "./written-calls.js";

/**
 * Builds the protocol.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` if the model cannot bind tools
 */
export function nativeProtocol(options: ProtocolOptions): AgentProtocol {
  const { model, ask, tools, schemas } = options;
  const hasTools = tools.length > 0;
  if (hasTools && !model.bindTools) {
    throw new ConfigError("AGEMEM_CONFIG_INVALID", `${model._llmType()} has no native tool calling`, {
      remedy: 'Use protocol: "text".',
    });
  }
  // Providers refuse an empty list of tools, and a choice among none.
  const acting = (hasTools && model.bindTools?.([...tools])) || model;
  const answering = (hasTools && model.bindTools?.([...tools], { tool_choice: "none" })) || model;
  const written = writtenCallsReader(options);
  return {
    name: "native",
    systemSuffix: options.think ? thinkPrompt(hasTools) : undefined,
    hasTools,
    sentTools: schemas,
    call: (messages, config, { lastStep }) => ask(lastStep ? answering : acting, messages, config),
    read: (response) => read(response, written),
  };
}

const THOUGHT = /^\s*<think>/;
const THOUGHT_END = "</think>";

/** The text after a `<think>` part at its beginning; one that is not closed is no answer. */
function withoutThought(text: string): string {
  if (!THOUGHT.test(text)) return text.trim();
  const end = text.indexOf(THOUGHT_END);
  return end < 0 ? "" : text.slice(end + THOUGHT_END.length).trim();
}

/** Reads a response. One that was cut off, or has arguments that are not JSON objects, is a format error: nothing runs. */
function read(response: AIMessage, written: WrittenCallsReader): ModelTurn {
  const calls = response.tool_calls ?? [];
  const problem = callProblem(response) ?? (calls.length > 0 ? written.reported(response) : undefined);
  if (problem !== undefined) return { message: withoutCalls(response), answer: null, formatError: problem };
  if (calls.length > 0) {
    response.tool_calls = withIds(calls, response.id);
    return { message: response, answer: null };
  }
  const turn = written.read(response);
  if (turn) return turn;
  const text = withoutThought(response.text);
  if (text) return { message: response, answer: text };
  const stop = earlyStop(response);
  const formatError = `it has neither tool calls nor text${stop === undefined ? "" : `, and was cut off (${stop})`}`;
  return { message: response, answer: null, formatError };
}
