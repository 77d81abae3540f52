/**
 * Calls that a model wrote into its text although tools were bound: its server has no parser for them.
 *
 * Owns when a response is looked at, and what becomes of it. Leaves out the forms (`models/tool-text/`). Without this such a
 * call would be shown to the user as the answer, and nothing stored.
 */
import { AIMessage } from "@langchain/core/messages";
import { modelNameOf } from "../../models/model-name.js";
import { toolTextFormOf } from "../../models/tool-text/families.js";
import { readToolText, type ToolTextForm } from "../../models/tool-text/tool-text.js";
import { withIds } from "../calls.js";
import type { ModelTurn, ProtocolOptions } from "../protocol.js";

/** Reads a response without reported calls; undefined where its text is its answer. */
export interface WrittenCallsReader {
  (response: AIMessage): ModelTurn | undefined;
  /** The provider reports calls itself, as it just did: text is text from now on. Not where a form was insisted on. */
  off(): void;
}

/** The reader for a model. */
export function writtenCallsReader({
  model,
  schemas,
  writtenCalls = "auto",
}: ProtocolOptions): WrittenCallsReader {
  let form: ToolTextForm | "any" | "none" =
    writtenCalls === "auto" ? formOf(model) : writtenCalls === "off" ? "none" : writtenCalls;
  const names = new Set(schemas.map((schema) => schema.name));
  const read = (response: AIMessage): ModelTurn | undefined =>
    form === "none" ? undefined : readWritten(response, form, names);
  return Object.assign(read, {
    off: () => {
      if (writtenCalls === "auto") form = "none";
    },
  });
}

/** Local models read their own text (`models/gguf/`). */
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
