/**
 * One rollout for Agent Lightning: its gateway records the calls, the reward goes back as an event. Tests
 * run it under Agent Lightning's own server and controller; training on its rows was not run here.
 *
 * AGEMEM_TASK is a task as JSON; AGL_OPENAI_BASE_URL, AGL_EVENT_URL and AGL_KEY come from the controller. Every call
 * through the gateway is trained on, so only the policy's go there: judge and summarizer are the models AGEMEM_JUDGE and
 * AGEMEM_SUMMARIZER at OPENAI_BASE_URL, or rules where they are not set.
 */
import { FaissStore, resolveChatModel, resolveEmbeddings } from "../../../../src/index.js";
import { OfflineSummarizer } from "../../../../src/offline.js";
import {
  agentLightning,
  createLlmJudge,
  createOfflineJudge,
  policyEndpoint,
  rolloutRequest,
  runRollouts,
} from "../../../../src/training.js";

const { AGEMEM_TASK: json = "{}", AGEMEM_JUDGE: judgeName, AGEMEM_SUMMARIZER: summarizerName } = process.env;
const other = (name: string) => resolveChatModel(name, process.env, { temperature: 0 });
const request = rolloutRequest.parse({ tasks: [JSON.parse(json)] });
const tasks = request.tasks.map(({ gold_facts: goldFacts, ...task }) => ({ ...task, goldFacts }));
// The judge's key must not change what the policy is trained on: only AGEMEM_EMBEDDINGS names a remote model.
const { embeddings, name: embeddingName } = await resolveEmbeddings(
  process.env.AGEMEM_EMBEDDINGS?.trim() || "lexical",
);
const store = await FaissStore.open(":memory:", {
  index: { embeddings, embeddingName, fields: ["content"] },
});
const judge = judgeName ? createLlmJudge({ model: other(judgeName) }) : createOfflineJudge();
const summarizer = summarizerName ? other(summarizerName) : new OfflineSummarizer();

const lightning = agentLightning();
const { policy } = policyEndpoint({ ...lightning.endpoint, sampling: { maxTokens: 2048 } });
// K is Agent Lightning's: it starts a process for each rollout of a group.
const groups = await runRollouts(tasks, { policy, store, judge, summarizer, embeddingName, k: 1 });
await store.close();
for (const { trajectory } of groups.flatMap((group) => group.rollouts)) {
  if (!(await lightning.report(trajectory)))
    throw new Error(trajectory.error?.message ?? "the rollout has no reward");
}
