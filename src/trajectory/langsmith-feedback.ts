/**
 * Rewards as LangSmith feedback: attaches each part of a scored rollout to the run that gave the answer.
 *
 * Owns what is sent. Its client comes with `@langchain/core` and is loaded only when no other is passed, so agemem
 * itself does not depend on LangSmith.
 */
import { ConfigError, InputError } from "../errors.js";
import { sha256 } from "../lib/hash.js";
import type { Rollout } from "./file.js";

/** The part of LangSmith's `Client` that is used. */
export interface FeedbackClient {
  createFeedback(
    runId: string,
    key: string,
    options: { score: number; sessionId?: string; feedbackId: string; sourceInfo: Record<string, unknown> },
  ): Promise<unknown>;
}

/** Options of {@link sendRewardFeedback}. */
export interface FeedbackOptions {
  /** Default: `new Client()` of `langsmith`, which reads `LANGSMITH_API_KEY` and `LANGSMITH_ENDPOINT`. */
  client?: FeedbackClient;
  /** LangSmith's id of the project that holds the runs; newer servers require it. */
  sessionId?: string;
}

/**
 * Sends the reward and its parts as feedback ("agemem.reward", "agemem.task", …) for the root run of the rollout's
 * last policy call. Parts that could not be scored are not sent. Feedback ids are derived, so sending twice adds
 * nothing.
 *
 * @returns the keys that were sent; none for an unscored rollout
 * @throws InputError `AGEMEM_INPUT_ARGUMENT` when the recording names no root run; ConfigError
 * `AGEMEM_PACKAGE_MISSING` without LangSmith's client; whatever the client throws
 * @example
 * for await (const rollout of readRollouts("rollouts.jsonl")) await sendRewardFeedback(rollout);
 */
export async function sendRewardFeedback(
  { trajectory, steps }: Rollout,
  options: FeedbackOptions = {},
): Promise<string[]> {
  const scores = Object.entries({ reward: trajectory.reward, ...trajectory.reward_parts }).flatMap(
    ([name, score]) => (score === null ? [] : [{ key: `agemem.${name}`, score }]),
  );
  if (scores.length === 0) return [];
  const runId = steps.findLast((step) => step.call_role === "policy")?.root_run_id;
  if (!runId) {
    throw new InputError("AGEMEM_INPUT_ARGUMENT", `Rollout ${trajectory.rollout_id} names no root run`, {
      remedy: "Record it with this release; earlier ones did not keep the id.",
    });
  }
  const client = options.client ?? (await defaultClient());
  const sourceInfo = { rollout_id: trajectory.rollout_id, judge: trajectory.verdicts?.judge ?? null };
  for (const { key, score } of scores) {
    await client.createFeedback(runId, key, {
      score,
      sourceInfo,
      feedbackId: uuidOf(`${runId}/${key}`),
      ...(options.sessionId === undefined ? {} : { sessionId: options.sessionId }),
    });
  }
  return scores.map(({ key }) => key);
}

async function defaultClient(): Promise<FeedbackClient> {
  try {
    const { Client } = await import("langsmith");
    return new Client();
  } catch (cause) {
    throw new ConfigError("AGEMEM_PACKAGE_MISSING", "LangSmith's client cannot be loaded", {
      cause,
      remedy: "Install langsmith, or pass a client.",
    });
  }
}

/** A UUID derived from the text, as version 8 allows. */
function uuidOf(text: string): string {
  const hex = sha256(text);
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`];
  return [...parts, hex.slice(20, 32)].join("-");
}
