/**
 * The record schema `agemem.trajectory/1`: one `step` per model call, one `trajectory` per rollout, as JSON Lines.
 *
 * Owns the two record kinds and their invariants. What is unknown is null, never made up: no token ids from a local
 * tokenizer, no reward of 0 for "not scored". Numbers are finite. Readers drop unknown fields, so that fields can be
 * added within version 1.
 */
import { z } from "zod";
import {
  callUsageSchema,
  count,
  engineSchema,
  failureSchema,
  langgraphSchema,
  memoryItemSchema,
  memoryOpSchema,
  messageSchema,
  milliseconds,
  responseSchema,
  samplingSchema,
  tokenId,
  toolRunSchema,
  usageSchema,
} from "./schema-parts.js";

export const TRAJECTORY_SCHEMA = "agemem.trajectory/1";

/** Fields of both kinds, which join the steps of a rollout with its trajectory record. */
const identity = {
  schema: z.literal(TRAJECTORY_SCHEMA),
  /** Task T; null outside a rollout. */
  task_id: z.string().nullable(),
  /** Group G_q of the K rollouts of a task. */
  group_id: z.string().nullable(),
  rollout_id: z.string().min(1),
  /** 0..K-1 within the group. */
  rollout_index: count.nullable(),
  /** 1 for the first attempt at this rollout. */
  attempt: z.int().min(1),
};

/** How a step's prompt developed from that of the rollout's previous policy step. */
const CONTEXT_EDITS = ["start", "append", "retrieve", "summary", "filter", "stage_reset", "other"] as const;

/** Where token ids came from; "none" if the server gave none. */
const TOKEN_SOURCES = ["server", "token_id_string", "none"] as const;

const stepShape = z.object({
  kind: z.literal("step"),
  ...identity,
  /** Stage of the three-stage trajectory (AgeMem, alg. 3-5); 0 outside one. */
  stage: z.union([z.literal(0), z.literal(1), z.literal(2), z.literal(3)]),
  /** Numbers the rollout's calls, auxiliary ones too, from 0 without gaps, in the order in which they began. */
  step_index: count,
  /** Run id of the call in LangChain and LangSmith. */
  run_id: z.string(),
  /** The root run of the call, which is its trace in LangSmith; null in older recordings. */
  root_run_id: z.string().nullable().default(null),
  /** The server's id of the response; Trinity's msg_id. */
  response_id: z.string().nullable(),
  /** "policy" for the acting model, "aux" for a summarizer or judge. */
  call_role: z.enum(["policy", "aux"]),
  /** True for a completed policy call whose token ids are known. */
  trainable: z.boolean(),
  /** The step's own advantage, where its group went on from a shared beginning; null = the trajectory's, and in older recordings. */
  advantage: z.number().nullable().default(null),
  /** Why not trainable: "aux", "error", "no_token_ids", "token_mismatch". */
  drop_reason: z.string().nullable(),
  model: z.string().nullable(),
  /** Version of the weights that answered, as the trainer numbers them. */
  policy_version: count.nullable(),
  engine: engineSchema.nullable(),
  protocol: z.enum(["native", "text"]).nullable(),
  sampling: samplingSchema,
  /** The context as sent, in order. */
  messages: z.array(messageSchema),
  /** Tool schemas as sent. */
  tools: z.array(z.record(z.string(), z.unknown())),
  /** Null when the call failed. */
  response: responseSchema.nullable(),
  prompt_token_ids: z.array(tokenId).nullable(),
  response_token_ids: z.array(tokenId).nullable(),
  /** log pi_old of each response token (natural logarithm). */
  response_logprobs: z.array(z.number()).nullable(),
  /** 1 = train on this token. */
  response_mask: z.array(z.union([z.literal(0), z.literal(1)])).nullable(),
  token_source: z.enum(TOKEN_SOURCES),
  finish_reason: z.string().nullable(),
  stop_reason: z.union([z.string(), z.int()]).nullable(),
  /** The response was cut at the length limit. */
  truncated: z.boolean(),
  /** How the response broke the protocol; null when it did not. */
  format_error: z.string().nullable(),
  /** True when tools are unchanged and the messages continue the previous policy step's messages and response. */
  extends_previous: z.boolean(),
  context_edit: z.enum(CONTEXT_EDITS),
  memory_ops: z.array(memoryOpSchema),
  tool_runs: z.array(toolRunSchema),
  /** Store revision that the call saw, and the one after its operations; null when the store has no revisions. */
  revision_before: count.nullable(),
  revision_after: count.nullable(),
  /** Tokens of the context, tool schemas included, by the server, else by the counter; null = unknown. */
  context_tokens: count.nullable(),
  usage: usageSchema.nullable(),
  error: failureSchema.nullable(),
  langgraph: langgraphSchema,
  /** When the call began, ISO 8601 in UTC. */
  ts: z.iso.datetime(),
  latency_ms: milliseconds,
});

type StepShape = z.infer<typeof stepShape>;

/** One model call. */
export const stepSchema = stepShape.superRefine((step, context) => {
  const problem = (path: keyof StepShape, message: string): void => {
    context.addIssue({ code: "custom", path: [path], message });
  };
  checkTokens(step, problem);
  if (step.call_role === "aux" && step.trainable) problem("trainable", "an auxiliary call is not trainable");
  if (step.trainable !== (step.drop_reason === null)) {
    problem("drop_reason", "must be null for a trainable step and a reason for any other");
  }
  if ((step.response === null) !== (step.error !== null)) {
    problem("error", "must be set exactly when there is no response");
  }
  if (step.context_edit === "start" && step.extends_previous) {
    problem("extends_previous", "the first policy step extends nothing");
  }
});

/** Ids and mask are both null or both set; ids, mask and log-probabilities have the same length. */
function checkTokens(step: StepShape, problem: (path: keyof StepShape, message: string) => void): void {
  const ids = step.response_token_ids;
  if ((ids === null) !== (step.response_mask === null)) {
    problem("response_mask", "must be null exactly when response_token_ids is null");
  }
  if (ids === null) {
    if (step.response_logprobs !== null)
      problem("response_logprobs", "must be null without response_token_ids");
    if (step.trainable) problem("trainable", "a step without token ids is not trainable");
  } else {
    for (const path of ["response_mask", "response_logprobs"] as const) {
      const list = step[path];
      if (list !== null && list.length !== ids.length) {
        problem(path, `has ${list.length} entries for ${ids.length} token ids`);
      }
    }
  }
  const none = ids === null && step.prompt_token_ids === null;
  if (none !== (step.token_source === "none")) {
    problem("token_source", 'must be "none" exactly when there are no token ids');
  }
}

/** What `rewards/` needs beside the steps: what the episode was about, and how it ended. */
const episodeSchema = z.object({
  question: z.string(),
  /** A_q. */
  gold_answer: z.string(),
  gold_facts: z.array(z.string()),
  /** Facts that were told and no longer hold at the end; none in older recordings. */
  outdated_facts: z.array(z.string()).default([]),
  /** The agent's final answer; null when it gave none. */
  answer: z.string().nullable(),
  /** Messages shown in stages 1 and 2; model calls in stage 3, or n_max + 1 when the limit stopped it. */
  rounds: z.array(count),
  /** N_max, turns per stage. */
  n_max: z.int().min(1),
  /** T_max, tokens of the context budget. */
  t_max: z.int().min(1),
  /** Every item that the rollout added, with its last content, including items deleted later. */
  items: z.array(memoryItemSchema),
});

const unit = z.number().min(0).max(1);

/** A judge's scores in [0, 1]; null where the judge was not asked or failed. */
const verdictsSchema = z.object({
  judge: z.string(),
  answer: unit.nullable(),
  /** Usefulness of each item added in stage 1, by memory id. */
  storage: z.record(z.string(), z.boolean()).nullable(),
  relevance: unit.nullable(),
  /** Usefulness of every item added, against the gold facts; null where no reward asked for it, and in older recordings. */
  useful: z.record(z.string(), z.boolean()).nullable().default(null),
  /** Memory quality, reported beside the reward. */
  memory_quality: unit.nullable(),
});

/** How a rollout ended. */
const ROLLOUT_STATUSES = ["ok", "error", "timeout", "truncated", "cancelled"] as const;

const advantageMeta = z.object({
  mean: z.number(),
  std: z.number().min(0),
  std_kind: z.enum(["sample", "population", "none"]),
  eps: z.number().min(0),
  /** How many rewards of the group were counted. */
  n: z.int().min(1),
  zero_variance: z.boolean(),
});

/** One rollout, written when it has ended. */
export const trajectorySchema = z
  .object({
    kind: z.literal("trajectory"),
    ...identity,
    /** Size K of the group; null outside a group. */
    k: z.int().min(1).nullable(),
    status: z.enum(ROLLOUT_STATUSES),
    error: failureSchema.nullable(),
    /** R(tau); null = not scored. */
    reward: z.number().nullable(),
    /** Parts by name ("task", "context.compression", …); null = this part could not be scored. */
    reward_parts: z.record(z.string(), z.number().nullable()),
    /** What the judge said, so that the reward can be computed again without asking it. */
    verdicts: verdictsSchema.nullable(),
    /** A_T, the same for all steps (AgeMem, eq. 5-6); null = none. */
    advantage: z.number().nullable(),
    advantage_meta: advantageMeta.nullable(),
    /** Step records with this rollout_id and attempt, auxiliary calls included. */
    n_steps: count,
    policy_version_min: count.nullable(),
    policy_version_max: count.nullable(),
    /** Sums over policy calls and over auxiliary calls. */
    policy_usage: callUsageSchema,
    aux_usage: callUsageSchema,
    /** Store branch that the rollout wrote to, and its last revision. */
    branch: z.string().nullable(),
    revision: count.nullable(),
    episode: episodeSchema.nullable(),
    metadata: z.record(z.string(), z.unknown()),
    /** When the rollout began, ISO 8601 in UTC. */
    ts: z.iso.datetime(),
    latency_ms: milliseconds,
  })
  .superRefine((record, context) => {
    const problem = (path: string, message: string): void => {
      context.addIssue({ code: "custom", path: [path], message });
    };
    if (record.status === "error" && record.error === null) {
      problem("error", 'must say what failed when status is "error"');
    }
    if (record.advantage !== null && record.reward === null) {
      problem("advantage", "an unscored rollout has no advantage");
    }
    if ((record.advantage === null) !== (record.advantage_meta === null)) {
      problem("advantage_meta", "must be there exactly when there is an advantage");
    }
    if (record.advantage_meta?.zero_variance && record.advantage !== 0) {
      problem("advantage", "must be 0 in a group without variance");
    }
  });

/** Any line of a trajectory file. */
export const recordSchema = z.discriminatedUnion("kind", [stepSchema, trajectorySchema]);

export type StepRecord = z.infer<typeof stepSchema>;
export type TrajectoryRecord = z.infer<typeof trajectorySchema>;
export type VerdictsRecord = z.infer<typeof verdictsSchema>;
export type EpisodeRecord = z.infer<typeof episodeSchema>;
export type AnyRecord = StepRecord | TrajectoryRecord;
export type RolloutStatus = (typeof ROLLOUT_STATUSES)[number];
export type RecordedEdit = (typeof CONTEXT_EDITS)[number];
