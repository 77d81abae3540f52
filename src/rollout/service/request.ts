/** The request that a trainer sends to the rollout graph, and its conversion to options. All names are snake_case. */
import { z } from "zod";

import { DEFAULT_BUDGET } from "../../context/budget.js";
import { ADVANTAGE_PRESETS } from "../../grpo.js";
import { OfflineSummarizer } from "../../offline/summarizer.js";
import { PROMPT_VARIANTS } from "../../prompts.js";
import { REWARD_PRESETS } from "../../rewards/reward.js";
import { EXPORTERS } from "../../trajectory/exporters/registry.js";
import { MEMORY_OPS, type MemoryTask, SEARCH_MODES } from "../../types.js";
import { type PolicyEndpointOptions, rolloutsFor } from "../http/endpoint.js";
import { LONGEST_WAIT_MS } from "../option-schemas.js";
import { budgetOf, type RolloutOptions } from "../options.js";
import { ROLLOUT_PRESETS } from "../presets/presets.js";
import { taskRow, toTask } from "../task-row.js";

/** Who sends a request must not have the service load a file of its machine, as `gguf:FILE` would. */
const servedModel = z
  .string()
  .min(1)
  .refine((name) => !/^\s*gguf:/i.test(name), {
    error:
      "must name a served model: a request may not name a file; `agemem rollout --model gguf:FILE` runs one",
  });

/**
 * Where the policy is served. It has no key, because requests are stored: the service has its own (`endpoint-keys.ts`).
 */
const endpoint = z.strictObject({
  /** "offline" for the rule-based policy, else the model's name at the endpoint. */
  model: servedModel,
  base_url: z.url().optional(),
  temperature: z.number().min(0).max(2).optional(),
  top_p: z.number().min(0).max(1).optional(),
  max_tokens: z.int().min(1).optional(),
  /** Further fields of the request body, such as `chat_template_kwargs`. */
  body: z.record(z.string(), z.unknown()).optional(),
  send_seed: z.boolean().optional(),
});

const names = <T extends object>(object: T) =>
  z.enum(Object.keys(object) as [Extract<keyof T, string>, ...Extract<keyof T, string>[]]);
const whole = z.int().min(1);

/** Limits of a request. More is a mistake, or an attempt to exhaust the service's memory. */
const [MOST_TASKS, MOST_ROLLOUTS, MOST_TURNS, MOST_REQUESTS, LONGEST_ID] = [100_000, 1024, 1000, 10_000, 512];

/** Tasks with distinct ids: two with the same id would share a group id. */
const tasks = z
  .array(taskRow)
  .min(1)
  .max(MOST_TASKS)
  .superRefine((rows, { addIssue }) => {
    const seen = new Set<string>();
    for (const [at, { id }] of rows.entries()) {
      if (id.length > LONGEST_ID) {
        addIssue({ code: "custom", path: [at, "id"], message: `must have at most ${LONGEST_ID} characters` });
      } else if (seen.has(id)) addIssue({ code: "custom", path: [at, "id"], message: `${id} occurs twice` });
      seen.add(id);
    }
  });

/** The input of the graph. */
export const rolloutRequest = z.strictObject({
  tasks,
  policy: endpoint.default({ model: "offline" }),
  /** Version number of the policy's weights. */
  policy_version: z.int().min(0).optional(),
  k: whole.max(MOST_ROLLOUTS).optional(),
  /** Whole recipe: stages, reward, advantages. */
  preset: names(ROLLOUT_PRESETS).optional(),
  max_turns: whole.max(MOST_TURNS).optional(),
  /** Most model calls per message in stages 1 and 2. */
  message_rounds: whole.max(MOST_TURNS).optional(),
  /** What a response without a tool call ends in stages 1 and 2; see `RolloutOptions.earlyAnswer`. */
  early_answer: z.enum(["stage", "message"]).optional(),
  told: z.enum(["passages", "together"]).optional(),
  introspection: z.boolean().optional(),
  max_distractors: z.int().min(0).max(MOST_TURNS).optional(),
  /** Model calls of a beginning that the K rollouts of a task share; see `RolloutOptions.branchAt`. */
  branch_at: whole.max(MOST_TURNS).optional(),
  /** Concurrent requests to the policy. */
  concurrency: whole.max(MOST_REQUESTS).optional(),
  timeout_s: z
    .number()
    .min(0.001)
    .max(Math.floor(LONGEST_WAIT_MS / 1000))
    .optional(),
  protocol: z.enum(["native", "text"]).optional(),
  think: z.boolean().optional(),
  /** Guidance in the system prompt. */
  prompt: z.enum(PROMPT_VARIANTS).optional(),
  /** Memory operations offered; an empty list gives a policy without memory tools. */
  operations: z.array(z.enum(MEMORY_OPS)).optional(),
  /** T_max in tokens. */
  t_max: z.int().min(16).optional(),
  /** Memories shown with each message of stage 1, and by a RETRIEVE that names no number. */
  top_k: whole.max(50).optional(),
  /** How memories are ranked. */
  search_mode: z.enum(SEARCH_MODES).optional(),
  /** What writes summaries: "policy" (default), or the rules of "offline" for a policy too small to write them. */
  summarizer: z.enum(["policy", "offline"]).default("policy"),
  /** What the trainer knows about its server; kept with each step. */
  engine: z
    .strictObject({
      name: z.string().nullable().default(null),
      version: z.string().nullable().default(null),
      logprobs_mode: z.string().nullable().default(null),
    })
    .optional(),
  seed: z.union([z.string().max(LONGEST_ID), z.number()]).optional(),
  /** Part of all ids. Default "v" and the policy version (or 0), so that groups of different weights share no id. */
  run_name: z.string().min(1).max(LONGEST_ID).optional(),
  reward: z
    .strictObject({
      preset: names(REWARD_PRESETS).optional(),
      weights: z
        .strictObject({
          task: z.number(),
          context: z.number(),
          memory: z.number(),
          tool: z.number(),
          penalty: z.number(),
          alpha: z.tuple([z.number(), z.number(), z.number()]),
          beta: z.tuple([z.number(), z.number(), z.number()]),
        })
        .partial()
        .optional(),
    })
    .optional(),
  advantage: names(ADVANTAGE_PRESETS).optional(),
  /** "offline" for the rule-based judge, or a model that the service reaches with its own settings. */
  judge: servedModel.default("offline"),
  /** What each group's `samples` are: complete records, or rows of an exporter. */
  format: z.union([z.literal("records"), names(EXPORTERS)]).default("records"),
});

export type RolloutRequest = z.infer<typeof rolloutRequest>;

/** Converts the request's tasks. */
export function tasksOf(request: RolloutRequest): MemoryTask[] {
  return request.tasks.map(toTask);
}

/** Converts the request's endpoint. */
export function endpointOf({ policy, concurrency, t_max: tMax }: RolloutRequest): PolicyEndpointOptions {
  const { model, base_url: baseURL, temperature, top_p: topP, body } = policy;
  const maxTokens = policy.max_tokens ?? budgetOf(tMax ?? DEFAULT_BUDGET.maxTokens).responseTokens;
  return {
    model,
    ...(baseURL === undefined ? {} : { baseURL }),
    sendSeed: policy.send_seed ?? false,
    sampling: defined({ temperature, topP, maxTokens, body }),
    ...(concurrency === undefined ? {} : { patience: { concurrency } }),
  };
}

/** Converts the rest of the request: everything but policy, store and judge. */
export function settingsOf(request: RolloutRequest): Partial<RolloutOptions> {
  const {
    k,
    protocol,
    think,
    operations,
    engine,
    seed,
    reward,
    advantage,
    policy_version: policyVersion,
  } = request;
  return defined({
    k,
    protocol,
    think,
    operations,
    engine,
    promptVariant: request.prompt,
    budget: request.t_max === undefined ? undefined : budgetOf(request.t_max),
    topK: request.top_k,
    searchMode: request.search_mode,
    summarizer: request.summarizer === "offline" ? new OfflineSummarizer() : undefined,
    seed,
    reward,
    advantage,
    policyVersion,
    preset: request.preset,
    maxTurns: request.max_turns,
    messageRounds: request.message_rounds,
    earlyAnswer: request.early_answer,
    told: request.told,
    introspection: request.introspection,
    maxDistractors: request.max_distractors,
    branchAt: request.branch_at,
    concurrency: request.concurrency === undefined ? undefined : rolloutsFor(request.concurrency),
    timeoutMs: request.timeout_s === undefined ? undefined : request.timeout_s * 1000,
    runName: request.run_name ?? `v${policyVersion ?? 0}`,
  });
}

/** Drops keys that are undefined, which would override defaults. */
function defined<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}
