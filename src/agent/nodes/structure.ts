/** Structured answers: one more model call that puts the outcome of the conversation into the form of a schema. */
import { type AIMessage, type BaseMessage, SystemMessage } from "@langchain/core/messages";
import type { LangGraphRunnableConfig } from "@langchain/langgraph";
import { z } from "zod";
import { providerView } from "../../context/provider-view.js";
import { AgeMemError, ConfigError, ModelError } from "../../errors.js";
import { describeModelError } from "../../models/chat-model.js";
import { callProblem } from "../../models/response-problem.js";
import { METADATA } from "../../types.js";
import type { AgeMemAgentOptions } from "../options.js";

/** A structured answer, or why there is none. `raw` is the model's response, if there was one, for its token usage. */
export type Structured =
  | { value: Record<string, unknown>; error?: undefined; raw: AIMessage }
  | { value?: undefined; error: ModelError; raw?: AIMessage };

/** Produces the structured answer from the whole conversation and the agent's system prompt. */
export type Structure = (
  system: string,
  messages: readonly BaseMessage[],
  config: LangGraphRunnableConfig,
) => Promise<Structured>;

/**
 * Undefined if `responseFormat` is not set. The call is tagged so that its tokens are neither streamed as the answer nor
 * recorded as the policy's. If the model fails, or its output does not fit the schema, the result says so instead of
 * throwing, because the answer itself is complete and must not be lost.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` with protocol "text"
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
  return async (system, messages, config) => {
    const shown = providerView([new SystemMessage(system), ...messages]);
    try {
      const { parsed, raw } = await structured.invoke(shown, {
        ...config,
        runName: "agemem.structure",
        tags: [...(config.tags ?? []), "nostream", "agemem:aux"],
        metadata: { ...config.metadata, [METADATA.callRole]: "aux" },
      });
      const response = raw as AIMessage;
      // A response that was cut off may fit the schema because LangChain completed it by guessing.
      const problem = callProblem(response);
      const value = problem === undefined ? fitting(parsed, responseFormat) : undefined;
      return value ? { value, raw: response } : { error: unfit(problem), raw: response };
    } catch (error) {
      if (config.signal?.aborted) throw error;
      return { error: AgeMemError.isInstance(error) ? (error as ModelError) : describeModelError(error) };
    }
  };
}

function unfit(problem: string | undefined): ModelError {
  const why = problem === undefined ? "" : `: ${problem}`;
  return new ModelError(
    "AGEMEM_MODEL_FAILED",
    `The model returned no structured answer that fits the schema${why}`,
    { remedy: "Simplify the schema, or use a model with structured output." },
  );
}

/** The value if it fits the schema, which not every model's own parser checks. */
function fitting(
  parsed: unknown,
  schema: NonNullable<AgeMemAgentOptions["responseFormat"]>,
): Record<string, unknown> | undefined {
  if (typeof parsed !== "object" || parsed === null) return undefined;
  if (!(schema instanceof z.ZodType)) return parsed as Record<string, unknown>;
  return schema.safeParse(parsed).data;
}
