/**
 * Rollouts as a LangGraph graph: a trainer sends tasks and a policy endpoint and gets scored groups back.
 *
 * Owns the graph around `streamRollouts`: request in, progress as custom events, groups out. Each run opens a store of
 * its own, so that any number of trainers can run side by side. Leaves out the request's schema (`request.ts`).
 */
import { END, type LangGraphRunnableConfig, START, StateGraph, StateSchema } from "@langchain/langgraph";
import { z } from "zod";

import { forClients, InputError } from "../../errors.js";
import { callable, checkOptions, type OptionShape, problemsOf } from "../../lib/check-options.js";
import { resolveChatModel } from "../../models/chat-model.js";
import { OfflinePolicy } from "../../offline/policy.js";
import type { Judge } from "../../rewards/judge.js";
import { createLlmJudge } from "../../rewards/judges/llm.js";
import { createOfflineJudge } from "../../rewards/judges/offline.js";
import type { Refusal } from "../../trajectory/exporter.js";
import { exporterByName } from "../../trajectory/exporters/registry.js";
import type { TokenCounter, VersionedStore } from "../../types.js";
import { type GroupResult, summarizeGroup } from "../group.js";
import { policyEndpoint } from "../http/endpoint.js";
import { keepAliveFetch } from "../http/keep-alive-fetch.js";
import type { RolloutOptions } from "../options.js";
import { streamRollouts } from "../runner.js";

import { credentialsFor } from "./endpoint-keys.js";
import { endpointOf, type RolloutRequest, rolloutRequest, settingsOf, tasksOf } from "./request.js";

/** What the graph needs from the process that hosts it. */
export interface RolloutGraphOptions {
  /** Opens a new empty store for each run, which is closed after it. */
  openStore: () => Promise<VersionedStore & { close(): Promise<void> }>;
  /** Counts the context for a named model. Default: `tokenCounter()`, exact for OpenAI's recent models only. */
  counterFor?: (model: string) => TokenCounter;
}

const graphOptions = z.strictObject(
  { openStore: callable, counterFor: callable.optional() } satisfies OptionShape<RolloutGraphOptions>,
  "must be an object of options",
);

function checkRolloutGraphOptions(options: unknown): void {
  checkOptions(graphOptions, options, "createRolloutGraph");
}

/** One group as the trainer receives it. */
export interface RolloutGroupOutput {
  task_id: string;
  group_id: string;
  rewards: (number | null)[];
  advantages: (number | null)[];
  statuses: string[];
  /** Why a rollout failed; null for the others. */
  errors: (string | null)[];
  zero_variance: boolean;
  /** Per rollout its records (steps, then the trajectory), or rows in the requested format. */
  samples: unknown[];
  /** Counts of steps and rollouts that the format cannot express, by reason. */
  refused: Record<string, number>;
}

const State = new StateSchema({
  /** The request; see `rolloutRequest`. */
  request: z.custom<z.input<typeof rolloutRequest>>(),
  groups: z.array(z.custom<RolloutGroupOutput>()).default(() => []),
  summary: z
    .object({ rollouts: z.number(), failed: z.number(), mean_reward: z.number().nullable() })
    .nullable()
    .default(null),
});

/**
 * Builds the graph. Input `{ request }`; output `{ groups, summary }`; in stream mode "custom" a
 * `{ event: "agemem.progress", done, total, mean_reward, failed }` per rollout and `{ event: "agemem.group", … }` per
 * group.
 *
 * A run fails with `AGEMEM_INPUT_ARGUMENT` for a request that is not valid and `AGEMEM_CONFIG_INVALID` for an endpoint
 * that cannot be set up; the message includes code and remedy, because clients of a server see nothing else. Failed
 * rollouts are in their group. A key goes only to the addresses that `AGEMEM_ROLLOUT_KEYS` lists for it.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for options that are wrong or unknown
 * @example
 * const graph = createRolloutGraph({ openStore: () => FaissStore.open(":memory:", { index: { embeddings } }) });
 * const { groups } = await graph.invoke({ request: { tasks, policy: { model: "offline" }, k: 4 } });
 */
export function createRolloutGraph(options: RolloutGraphOptions) {
  checkRolloutGraphOptions(options);
  return new StateGraph(State)
    .addNode("rollout", async (state, config) => {
      try {
        return await rollout(options, state.request, config);
      } catch (error) {
        throw forClients(error);
      }
    })
    .addEdge(START, "rollout")
    .addEdge("rollout", END)
    .compile({ name: "agemem-rollout" });
}

async function rollout(
  options: RolloutGraphOptions,
  input: z.input<typeof rolloutRequest>,
  config: LangGraphRunnableConfig,
) {
  const request = parse(input);
  const { policy, judge } = { policy: policyOf(request), judge: judgeOf(request) };
  const store = await options.openStore();
  const groups = new Map<string, RolloutGroupOutput>();
  try {
    const summary = await streamRollouts(
      tasksOf(request),
      {
        ...settingsOf(request),
        policy,
        judge,
        store,
        ...(options.counterFor ? { counter: options.counterFor(request.policy.model) } : {}),
        ...(config.signal ? { signal: config.signal } : {}),
      },
      {
        onProgress: ({ done, total, meanReward, failed }) =>
          config.writer?.({ event: "agemem.progress", done, total, mean_reward: meanReward, failed }),
        onGroup: (group) => {
          const output = outputOf(group, request);
          groups.set(group.groupId, output);
          const { samples, ...head } = output;
          config.writer?.({ event: "agemem.group", ...head, samples: samples.length });
        },
      },
    );
    const { done, failed, meanReward } = summary;
    return {
      groups: summary.groups.flatMap(({ groupId }) => groups.get(groupId) ?? []),
      summary: { rollouts: done, failed, mean_reward: meanReward },
    };
  } finally {
    await store.close();
  }
}

function parse(input: unknown): RolloutRequest {
  const parsed = rolloutRequest.safeParse(input);
  if (parsed.success) return parsed.data;
  const problems = problemsOf(parsed.error, rolloutRequest, "the request");
  const field = parsed.error.issues[0]?.path.join(".") || "request";
  throw new InputError("AGEMEM_INPUT_ARGUMENT", problems.join("; "), {
    remedy: "See docs/rollouts.md for the form of the request.",
    details: { field, problems },
  });
}

function policyOf(request: RolloutRequest): RolloutOptions["policy"] {
  const { model, temperature = 1 } = request.policy;
  if (model === "offline") return ({ seed }) => new OfflinePolicy({ seed, temperature });
  const { patience, ...endpoint } = endpointOf(request);
  const { apiKey, fetch } = credentialsFor(endpoint.baseURL, keepAliveFetch());
  return policyEndpoint({ ...endpoint, apiKey, patience: { ...patience, fetch } }).policy;
}

function judgeOf({ judge }: RolloutRequest): Judge {
  if (judge === "offline") return createOfflineJudge();
  return createLlmJudge({ model: resolveChatModel(judge, process.env, { temperature: 0 }) });
}

function outputOf(
  group: GroupResult,
  { format, policy_version: policyVersion }: RolloutRequest,
): RolloutGroupOutput {
  const { taskId, groupId, rewards, statuses, advantages } = summarizeGroup(group);
  const refused: Record<string, number> = {};
  const count = ({ reason }: Refusal): void => {
    refused[reason] = (refused[reason] ?? 0) + 1;
  };
  const samples = group.rollouts.flatMap((each): unknown[] => {
    if (format === "records") return [...each.steps, each.trajectory];
    const exported = exporterByName(format).export(
      each,
      policyVersion === undefined ? {} : { policyVersion },
    );
    for (const refusal of exported.refused) count(refusal);
    return exported.rows;
  });
  return {
    task_id: taskId,
    group_id: groupId,
    rewards,
    advantages: advantages.advantages,
    statuses,
    errors: group.rollouts.map(({ trajectory: { error } }) =>
      error ? `${error.code}: ${error.message}` : null,
    ),
    zero_variance: advantages.zeroVariance,
    samples,
    refused,
  };
}
