/**
 * Schemas of the agent's options.
 *
 * Owns what each option accepts. An option of the type without a schema here does not compile.
 */
import { z } from "zod";
import {
  chatModel,
  checkOptions,
  flag,
  having,
  number,
  type OptionShape,
  oneOf,
  text,
  whole,
} from "../lib/check-options.js";
import type { Price } from "../lib/usage.js";
import { PROMPT_VARIANTS } from "../prompts.js";
import { toolsShape } from "../tools/option-schemas.js";
import { DECISIONS, type InterruptOn } from "./nodes/approval.js";
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
  `must be a checkpointer, or "${INHERITED}" if a server or a parent graph supplies one`,
);

const responseFormat = z.custom<object>(
  (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  "must be a zod schema or a JSON schema",
);

const interruptOn: z.ZodType<Record<string, InterruptOn>> = z.record(
  z.string(),
  z.union(
    [
      z.boolean(),
      z.strictObject({ allowedDecisions: z.array(oneOf(DECISIONS)).min(1, "must allow a decision") }),
    ],
    'must be true, false or { allowedDecisions: ["approve", …] }',
  ),
  "must be an object keyed by tool name, such as { Delete_memory: true }",
);

/** Options that have been renamed. */
const RENAMED = {
  instructions: 'it is now called "systemPrompt"',
  approve: 'it is now "interruptOn", by tool name: { Delete_memory: true }',
  overflow: 'it is now "onOverflow": "summarize" or "record"',
};

const agentOptions = z
  .strictObject(
    {
      ...toolsShape,
      model: chatModel,
      tools: z.array(tool, "must be a list of tools").optional(),
      systemPrompt: z.string("must be text").optional(),
      promptVariant: oneOf(PROMPT_VARIANTS).optional(),
      protocol: oneOf(["native", "text"]).optional(),
      think: flag.optional(),
      writtenCalls: oneOf(["auto", "off", "hermes", "llama3", "mistral", "fenced"]).optional(),
      maxSteps: whole(1).optional(),
      onMaxSteps: oneOf(["answer", "stop"]).optional(),
      onOverflow: oneOf(["summarize", "record"]).optional(),
      interruptOn: interruptOn.optional(),
      memoryConsistency: oneOf(["latest", "checkpoint"]).optional(),
      responseFormat: responseFormat.optional(),
      prices: z.record(z.string(), price, "must be prices keyed by model name").optional(),
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
        message: `${what} needs a checkpointer, or checkpointer: "${INHERITED}" if a server or a parent graph supplies one`,
      });
    if (Object.values(options.interruptOn ?? {}).some(Boolean)) {
      need("interruptOn", "a run that stops for a person");
    }
    if (options.memoryConsistency === "checkpoint") need("memoryConsistency", '"checkpoint"');
  });

/** Throws `AGEMEM_CONFIG_INVALID` for wrong, unknown or contradictory options. */
export function checkAgentOptions(options: AgeMemAgentOptions): void {
  checkOptions(agentOptions, options, "createAgeMemAgent", RENAMED);
  if (options.protocol !== "text" && typeof options.model.bindTools !== "function") {
    const shape = z.strictObject({ model: z.never('cannot call tools; use protocol: "text"') });
    checkOptions(shape, { model: options.model }, "createAgeMemAgent");
  }
}
