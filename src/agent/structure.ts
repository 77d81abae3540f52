/** Structured answers: one more model call that puts the conversation's outcome into the form of a schema. */
import type { AIMessage, BaseMessage } from "@langchain/core/messages";
import type { LangGraphRunnableConfig } from "@langchain/langgraph";
import { z } from "zod";
import { repairChatHistory } from "../context/validity.js";
import { AgeMemError, ConfigError, ModelError } from "../errors.js";
import { describeModelError } from "../models/chat-model.js";
import { METADATA } from "../types.js";
import type { AgeMemAgentOptions } from "./options.js";

/** Makes the structured answer from the whole conversation; `raw` is the model's response, for its usage. */
export type Structure = (
  messages: readonly BaseMessage[],
  config: LangGraphRunnableConfig,
) => Promise<{ value: Record<string, unknown>; raw: AIMessage }>;

/**
 * Undefined when no `responseFormat` is asked for. Its call is tagged: its tokens are not streamed as the answer and
 * not recorded as the policy's.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` with protocol "text"; at a call ModelError `AGEMEM_MODEL_*`
 */
export function structureOf({ model, responseFormat, protocol }: AgeMemAgentOptions): Structure | undefined {
  if (!responseFormat) return undefined;
  if (protocol === "text") {
    throw new ConfigError("AGEMEM_CONFIG_INVALID", 'responseFormat does not work with protocol "text"', {
      remedy: "Use native tool calling, or parse the answer yourself.",
    });
  }
  const structured = model.withStructuredOutput(responseFormat as Record<string, unknown>, {
    includeRaw: true,
  });
  return async (messages, config) => {
    try {
      const { parsed, raw } = await structured.invoke(repairChatHistory(messages).messages, {
        ...config,
        runName: "agemem.structure",
        tags: [...(config.tags ?? []), "nostream", "agemem:aux"],
        metadata: { ...config.metadata, [METADATA.callRole]: "aux" },
      });
      const value = fitting(parsed, responseFormat);
      if (value) return { value, raw: raw as AIMessage };
      throw new ModelError(
        "AGEMEM_MODEL_FAILED",
        "The model gave no structured answer that fits the schema",
        {
          remedy: "Simplify the schema, or use a model with structured output.",
        },
      );
    } catch (error) {
      if (AgeMemError.isInstance(error) || config.signal?.aborted) throw error;
      throw describeModelError(error);
    }
  };
}

/** Not every model's own parser checks the schema. Undefined when nothing came or it does not fit. */
function fitting(
  parsed: unknown,
  schema: NonNullable<AgeMemAgentOptions["responseFormat"]>,
): Record<string, unknown> | undefined {
  if (typeof parsed !== "object" || parsed === null) return undefined;
  if (!(schema instanceof z.ZodType)) return parsed as Record<string, unknown>;
  return schema.safeParse(parsed).data;
}
