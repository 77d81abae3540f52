/**
 * Schemas of the exporters' rows: what a trainer that imports them may rely on, in any language.
 *
 * Owns shapes, types, and the equal lengths that each trainer's constructor requires. The exporters do not run them,
 * because rows are made from checked records. `schemas/agemem.rows-1.json` has them as JSON Schema, which cannot
 * express equal lengths.
 */
import { z } from "zod";
import type { ExporterName } from "./registry.js";

const count = z.int().min(0);
const tokens = z.array(count);
/** The natural logarithm of a probability. */
const logprob = z.number();
const message = z.looseObject({ role: z.string() });
const tool = z.record(z.string(), z.unknown());
const figures = z.record(z.string(), z.number());

const trl = z
  .strictObject({
    prompt: z.array(message).min(1),
    completion: z.array(message),
    input_ids: tokens.min(1),
    completion_mask: z.array(z.literal([0, 1])),
    old_log_probs: z.array(logprob),
    advantage: z.number(),
    model_version: count,
    /** Up to 48 bits: exact in any language. */
    group_id: count,
    metrics: figures,
  })
  .refine((row) => row.completion_mask.length === row.input_ids.length, "mask and ids differ in length")
  .refine((row) => row.old_log_probs.length === row.input_ids.length, "log-probabilities and ids differ");

const trinity = z
  .strictObject({
    eid: z.strictObject({
      batch: z.union([count, z.string()]),
      task: z.string(),
      run: count,
      step: count,
      suffix: z.string().min(1),
    }),
    tokens: tokens.min(2),
    prompt_length: count.min(1),
    logprobs: z.array(logprob).min(1),
    action_mask: z.array(z.boolean()).optional(),
    /** In counterfactual groups: the step's own, 0 on masked tokens. */
    advantages: z.array(z.number()).optional(),
    reward: z.number(),
    truncate_status: z.literal("response_truncated").optional(),
    info: z.strictObject({ model_version: count.nullable(), stage: count.max(3) }),
    metrics: figures,
    messages: z.array(message).min(1),
    tools: z.array(tool),
  })
  .refine((row) => row.logprobs.length === row.tokens.length - row.prompt_length, "one per response token")
  .refine((row) => (row.action_mask ?? row.logprobs).length === row.logprobs.length, "one per response token")
  .refine((row) => (row.advantages ?? row.logprobs).length === row.logprobs.length, "one per response token");

const verl = z.strictObject({
  uid: z.string().min(1),
  session_id: count,
  outputs: z
    .array(
      z
        .strictObject({
          prompt_ids: tokens.min(1),
          response_ids: tokens.min(1),
          response_mask: z.array(z.literal([0, 1])),
          response_logprobs: z.array(logprob).nullable(),
          reward_score: z.number().nullable(),
          num_turns: count,
          metrics: z.strictObject({ generate_sequences: z.number().min(0), tool_calls: z.number().min(0) }),
          extra_fields: z.strictObject({
            step_index: count,
            stage: count.max(3),
            policy_version: count.nullable(),
            truncated: z.boolean(),
            /** In counterfactual groups: the step's own. */
            advantage: z.number().optional(),
            /** On the last output: the reward's parts. */
            reward_extra_info: figures.optional(),
          }),
        })
        .refine((row) => row.response_mask.length === row.response_ids.length, "one per response token")
        .refine(
          (row) => (row.response_logprobs ?? row.response_ids).length === row.response_ids.length,
          "one per response token",
        ),
    )
    .min(1),
});

const chat = z.strictObject({
  messages: z.array(message.extend({ weight: z.literal([0, 1]).optional() })).min(2),
  tools: z.array(tool).min(1).optional(),
  metadata: z.record(z.string(), z.unknown()),
});

/** One schema per export format. */
export const ROW_SCHEMAS = { trl, chat, trinity, verl } as const satisfies Record<ExporterName, z.ZodType>;

/**
 * JSON Schema (draft 2020-12) with one definition per format: `#/$defs/trl` and so on.
 *
 * @example
 * await writeFile("rows.json", JSON.stringify(rowsJsonSchema(), null, 2));
 */
export function rowsJsonSchema(): Record<string, unknown> {
  const definitions = Object.entries(ROW_SCHEMAS).map(([name, schema]) => {
    const { $schema: _, ...definition } = z.toJSONSchema(schema, { io: "input", target: "draft-2020-12" });
    return [name, definition];
  });
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: "agemem.rows/1.json",
    title: "agemem.rows/1",
    $defs: Object.fromEntries(definitions),
  };
}
