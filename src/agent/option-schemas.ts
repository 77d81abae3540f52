/**
 * What the options of the agent, its middleware and its filter may be. Kept beside the types: an option without a schema
 * does not compile.
 */
import { z } from "zod";
import {
  baseStore,
  chatModel,
  checkOptions,
  embeddingModel,
  having,
  number,
  type OptionShape,
  oneOf,
  text,
  tokenCounting,
  whole,
} from "../lib/check-options.js";
import type { Price } from "../lib/usage.js";
import { PROMPT_VARIANTS } from "../prompts.js";
import { operationList, toolsShape } from "../tools/option-schemas.js";
import type { AgeMemFilterEditConfig } from "./middleware/filter-edit.js";
import type { AgeMemMiddlewareConfig } from "./middleware/middleware.js";
import { type AgeMemAgentOptions, INHERITED } from "./options.js";

const tool = having(["invoke"], "must be a LangChain tool, such as tool(…) makes").refine(
  (value) =>
    typeof (value as { name?: unknown }).name === "string" && (value as { name: string }).name !== "",
  "has no name",
);

const price = z.strictObject(
  {
    input: number(0, Number.POSITIVE_INFINITY),
    output: number(0, Number.POSITIVE_INFINITY),
    cachedInput: number(0, Number.POSITIVE_INFINITY).optional(),
  } satisfies OptionShape<Price>,
  "must be { input, output, cachedInput? }",
);

const checkpointer = z.union(
  [z.literal(INHERITED), having(["getTuple", "put", "putWrites"], "")],
  `must be a checkpointer, or "${INHERITED}" where a server or a parent graph brings one`,
);

const responseFormat = z.custom<object>(
  (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  "must be a zod schema or a JSON schema",
);

const agentOptions = z
  .strictObject(
    {
      ...toolsShape,
      model: chatModel,
      tools: z.array(tool, "must be a list of tools").optional(),
      instructions: z.string("must be text").optional(),
      promptVariant: oneOf(PROMPT_VARIANTS).optional(),
      protocol: oneOf(["native", "text"]).optional(),
      writtenCalls: oneOf(["auto", "off", "hermes", "llama3", "mistral", "fenced"]).optional(),
      maxSteps: whole(1).optional(),
      onMaxSteps: oneOf(["answer", "stop"]).optional(),
      overflow: oneOf(["summarise", "record"]).optional(),
      approve: operationList.optional(),
      memoryConsistency: oneOf(["latest", "checkpoint"]).optional(),
      responseFormat: responseFormat.optional(),
      prices: z.record(z.string(), price, "must be prices by the name of the model").optional(),
      checkpointer: checkpointer.optional(),
      name: text.optional(),
    } satisfies OptionShape<AgeMemAgentOptions>,
    "must be an object of options",
  )
  .superRefine((options, context) => {
    if (options.checkpointer !== undefined) return;
    const need = (key: string, what: string) =>
      context.addIssue({
        code: "custom",
        path: [key],
        message: `${what} needs a checkpointer, or checkpointer: "${INHERITED}" where a server or a parent graph brings one`,
      });
    if (options.approve?.length) need("approve", "a run that stops for approval");
    if (options.memoryConsistency === "checkpoint") need("memoryConsistency", '"checkpoint"');
  });

/** Errors: `AGEMEM_CONFIG_INVALID`. */
export function checkAgentOptions(options: AgeMemAgentOptions): void {
  checkOptions(agentOptions, options, "createAgeMemAgent");
  if (options.protocol !== "text" && typeof options.model.bindTools !== "function") {
    const shape = z.strictObject({ model: z.never('cannot call tools; use protocol: "text"') });
    checkOptions(shape, { model: options.model }, "createAgeMemAgent");
  }
}

/** Sizes are looked at by `context-size.ts`, which knows what they mean. */
const size = z.custom<object>(
  (value) => typeof value === "object" && value !== null,
  "must be an object of sizes",
);

const middlewareOptions = z.strictObject(
  {
    ...toolsShape,
    trigger: size.optional(),
    keep: size.optional(),
    promptVariant: oneOf(PROMPT_VARIANTS).optional(),
  } satisfies OptionShape<AgeMemMiddlewareConfig>,
  "must be an object of options",
);

/** Errors: `AGEMEM_CONFIG_INVALID`. */
export function checkMiddlewareOptions(config: AgeMemMiddlewareConfig): void {
  checkOptions(middlewareOptions, config, "ageMemMiddleware");
}

const filterEditOptions = z.strictObject(
  {
    criteria: text,
    store: baseStore,
    trigger: size.optional(),
    maxTokens: whole(1).optional(),
    theta: number(0, 1).optional(),
    embeddings: embeddingModel.optional(),
    counter: tokenCounting.optional(),
    segmentMinTokens: whole(1).optional(),
  } satisfies OptionShape<AgeMemFilterEditConfig>,
  "must be an object of options",
);

/** Errors: `AGEMEM_CONFIG_INVALID`. */
export function checkFilterEditOptions(config: AgeMemFilterEditConfig): void {
  checkOptions(filterEditOptions, config, "AgeMemFilterEdit");
}
