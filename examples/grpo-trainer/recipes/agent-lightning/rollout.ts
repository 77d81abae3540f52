/**
 * One rollout for Agent Lightning: its gateway records the calls, the reward goes back as an event. Run here with the
 * policy server of this project in place of the gateway, not with Agent Lightning.
 *
 * AGEMEM_TASK is a task as JSON; AGL_OPENAI_BASE_URL, AGL_EVENT_URL and AGL_KEY come from the controller. The judge is
 * AGEMEM_JUDGE at OPENAI_BASE_URL, without it the rules.
 */
import { FaissStore, resolveChatModel, resolveEmbeddings } from "../../../../src/index.js";
import {
  agentLightning,
  createLlmJudge,
  createOfflineJudge,
  policyEndpoint,
  rolloutRequest,
  runRollouts,
} from "../../../../src/training.js";

const { AGEMEM_TASK: json = "{}", AGEMEM_JUDGE: judgeName } = process.env;
const request = rolloutRequest.parse({ tasks: [JSON.parse(json)] });
const tasks = request.tasks.map(({ gold_facts: goldFacts, ...task }) => ({ ...task, goldFacts }));
const { embeddings, name: embeddingName } = await resolveEmbeddings();
const store = await FaissStore.open(":memory:", {
  index: { embeddings, embeddingName, fields: ["content"] },
});
const judge =
  judgeName === undefined
    ? createOfflineJudge()
    : createLlmJudge({ model: resolveChatModel(judgeName, process.env, { temperature: 0 }) });

const lightning = agentLightning();
const { policy } = policyEndpoint({ ...lightning.endpoint, sampling: { maxTokens: 2048 } });
// K is Agent Lightning's: it starts a process for each rollout of a group.
const groups = await runRollouts(tasks, { policy, store, judge, k: 1 });
await store.close();
for (const { trajectory } of groups.flatMap((group) => group.rollouts)) {
  if (!(await lightning.report(trajectory)))
    throw new Error(trajectory.error?.message ?? "the rollout has no reward");
}
