/**
 * Calls that a model wrote into its text although tools were bound: its server has no parser for them, or handed back
 * what the parser could not read.
 *
 * Owns when a response is examined, and the message made of it. Leaves out the forms (`models/tool-text/`).
 */
import { AIMessage } from "@langchain/core/messages";
import { modelNameOf } from "../../models/model-name.js";
import { earlyStop } from "../../models/response-problem.js";
import { toolTextFormOf } from "../../models/tool-text/families.js";
import { readToolText, type ToolTextForm } from "../../models/tool-text/tool-text.js";
import { withIds } from "../calls.js";
import type { ModelTurn, ProtocolOptions } from "../protocol.js";

/** Reads the text of responses. */
export interface WrittenCallsReader {
  /** A response without reported calls; undefined where its text is its answer. */
  read(response: AIMessage): ModelTurn | undefined;
  /**
   * What is wrong with the text of a response whose calls the provider reported; undefined if nothing is. From then on
   * well-formed calls in a text are text, and malformed ones are those that the provider's parser refused. Not where a form was
   * insisted on.
   */
  reported(response: AIMessage): string | undefined;
}

/** The reader for a model. */
export function writtenCallsReader({
  model,
  schemas,
  writtenCalls = "auto",
}: ProtocolOptions): WrittenCallsReader {
  const form = writtenCalls === "auto" ? formOf(model) : writtenCalls === "off" ? "none" : writtenCalls;
  const names = new Set(schemas.map((schema) => schema.name));
  let reports = false;
  return {
    read: (response) => {
      if (form === "none") return undefined;
      if (!reports) return readWritten(response, form, names);
      const formatError = refusedCall(response, form, names);
      return formatError === undefined ? undefined : { message: response, answer: null, formatError };
    },
    reported: (response) => {
      if (form === "none") return undefined;
      reports = writtenCalls === "auto";
      // Reasoning that is left open before reported calls is not theirs to answer for.
      const text = response.text.replace(/^\s*<think>/, "");
      return readToolText(text, form, names).broken ?? undefined;
    },
  };
}

/** Why a provider that parses calls itself left one in the text. */
function refusedCall(
  response: AIMessage,
  form: ToolTextForm | "any",
  names: ReadonlySet<string>,
): string | undefined {
  const { calls, broken, unusual } = readToolText(response.text, form, names);
  if (broken !== null || unusual !== null) return broken ?? unusual ?? undefined;
  const stop = calls.length > 0 ? earlyStop(response) : undefined;
  return stop === undefined ? undefined : cutOff(stop);
}

const cutOff = (stop: string) => `it was cut off (${stop}) before its tool calls were complete`;

/** The form a model uses, by its name. Local models parse their own text (`models/gguf/`). */
function formOf(model: ProtocolOptions["model"]): ToolTextForm | "any" | "none" {
  return model._llmType() === "gguf" ? "none" : (toolTextFormOf(modelNameOf(model)) ?? "any");
}

function readWritten(
  response: AIMessage,
  form: ToolTextForm | "any",
  names: ReadonlySet<string>,
): ModelTurn | undefined {
  const { calls, content, reasoning, broken } = readToolText(response.text, form, names);
  if (broken !== null) return { message: response, answer: null, formatError: broken };
  if (calls.length === 0 && reasoning === null) return undefined;
  // Which calls would have followed is not known: a turn that was cut off runs in no part.
  const stop = calls.length > 0 ? earlyStop(response) : undefined;
  if (stop !== undefined) return { message: response, answer: null, formatError: cutOff(stop) };
  const message = new AIMessage({
    content,
    ...(response.id ? { id: response.id } : {}),
    additional_kwargs: {
      ...response.additional_kwargs,
      ...(reasoning ? { reasoning_content: reasoning } : {}),
    },
    response_metadata: response.response_metadata,
    ...(response.usage_metadata ? { usage_metadata: response.usage_metadata } : {}),
    tool_calls: withIds(
      calls.map(({ name, args }) => ({ name, args, type: "tool_call" as const })),
      response.id,
    ),
  });
  if (calls.length > 0) return { message, answer: null };
  return content === ""
    ? { message, answer: null, formatError: "it has neither tool calls nor text" }
    : { message, answer: content };
}
