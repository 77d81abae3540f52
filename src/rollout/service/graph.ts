/**
 * Rollouts as a LangGraph graph: a trainer sends tasks and a policy endpoint and gets scored groups back.
 *
 * Owns the graph around `streamRollouts`: request in, progress as custom events, groups out. Each run opens a store of
 * its own, so that any number of trainers can run side by side. Leaves out the request's schema (`request.ts`).
 */
import { END, type LangGraphRunnableConfig, START, StateGraph, StateSchema } from "@langchain/langgraph";
import { z } from "zod";

import { forClients, InputError } from "../../errors.js";
import { callable, checkOptions, type OptionShape, text, whole } from "../../lib/check-options.js";
import type { TokenCounter, VersionedStore } from "../../types.js";
import type { GroupResult } from "../group.js";
import { streamRollouts } from "../runner.js";
import { GroupOutput, type RolloutGroupOutput } from "./group-output.js";
import { type RolloutRequest, type rolloutRequest, tasksOf } from "./request.js";
import { optionsOf, parseRequest } from "./request-setup.js";

/** Characters of all samples in one answer. A server holds an answer several times over, and its text as one string. */
const MOST_IN_ONE_ANSWER = 64 * 1024 * 1024;

/** What the graph needs from the process that hosts it. */
export interface RolloutGraphOptions {
  /** Opens a new empty store for each run, which is closed after it. */
  openStore: () => Promise<VersionedStore & { close(): Promise<void> }>;
  /** Counts the context for a named model. Default: `tokenCounter()`, exact for OpenAI's recent models only. */
  counterFor?: (model: string) => TokenCounter;
  /** Most characters of samples in one answer; default 64 Mi. A run with more fails: see `createRolloutService`. */
  maxAnswer?: number;
  /** Name of the embeddings behind `openStore`, kept with each rollout. */
  embeddings?: string;
}

const graphOptions = z.strictObject(
  {
    openStore: callable,
    counterFor: callable.optional(),
    maxAnswer: whole(1).optional(),
    embeddings: text.optional(),
  } satisfies OptionShape<RolloutGraphOptions>,
  "must be an object of options",
);

function checkRolloutGraphOptions(options: unknown): void {
  checkOptions(graphOptions, options, "createRolloutGraph");
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
 * rollouts are in their group. The answer comes in one piece, so it is limited: `AGEMEM_ROLLOUTS_SIZE`. A key goes only
 * to the addresses that `AGEMEM_ROLLOUT_KEYS` lists for it.
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
  const request = parseRequest(input);
  const settings = optionsOf(request, options.counterFor);
  const size = new AnswerSize(options.maxAnswer ?? MOST_IN_ONE_ANSWER);
  const store = await options.openStore();
  const groups = new Map<string, RolloutGroupOutput>();
  try {
    const summary = await streamRollouts(
      tasksOf(request),
      {
        ...settings,
        ...(options.embeddings === undefined ? {} : { embeddingName: options.embeddings }),
        store,
        ...(config.signal ? { signal: config.signal } : {}),
      },
      {
        onProgress: ({ done, total, meanReward, failed }) =>
          config.writer?.({ event: "agemem.progress", done, total, mean_reward: meanReward, failed }),
        onGroup: (group) => {
          const output = outputOf(group, request);
          size.add(output);
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

/** The complete group, for an answer in one piece. */
function outputOf(group: GroupResult, request: RolloutRequest): RolloutGroupOutput {
  const output = new GroupOutput(group.groupId, request);
  const samples = group.rollouts.flatMap((rollout) => [...output.samples(rollout)]);
  return { ...output.facts, zero_variance: group.advantages.zeroVariance, samples };
}

/** Counts the size of an answer in one piece, and ends the run when it becomes too large to send. */
class AnswerSize {
  private bytes = 0;

  constructor(private readonly limit: number) {}

  add(output: RolloutGroupOutput): void {
    for (const sample of output.samples) this.bytes += JSON.stringify(sample).length;
    if (this.bytes <= this.limit) return;
    throw new InputError(
      "AGEMEM_ROLLOUTS_SIZE",
      `The groups of this request are larger than ${this.limit} characters, the most in one answer`,
      {
        remedy:
          "Ask POST /rollouts, which streams group by group (agemem_grpo does), or for fewer tasks at a time.",
        details: { limit: this.limit },
      },
    );
  }
}
