/**
 * A recording with real token ids, for trainers to read back: two tasks rolled out three times each, against a server
 * with a chat template and a tokenizer. `node --import tsx tests/trainers/record-run.ts FILE`
 *
 * The policy is a script: it stores each message it is told, answers every other question rightly, and is cut at the
 * length limit once.
 */
import { generateTasks } from "../../src/evaluation/tasks/synthetic.js";
import { LexicalEmbeddings } from "../../src/models/lexical-embeddings.js";
import { createOfflineJudge } from "../../src/rewards/judges/offline.js";
import { policyEndpoint } from "../../src/rollout/http/endpoint.js";
import { streamRollouts } from "../../src/rollout/runner.js";
import { FaissStore } from "../../src/store/faiss-store.js";
import type { WireRequest } from "../../src/testing/openai-wire.js";
import { startTemplatedServer } from "../trajectory/templated-server.js";

const [out] = process.argv.slice(2);
if (out === undefined) throw new Error("Say which file to write");

const tasks = generateTasks({ count: 2, seed: 7, difficulty: 0.2 });
const answers = new Map(tasks.map((task) => [task.question, task.answer]));
let questions = 0;

function says({ messages = [] }: WireRequest): string | { cut: string } {
  const last = messages.at(-1);
  const text = String(last?.content ?? "");
  const answer = answers.get(text);
  if (answer === undefined) {
    const args = JSON.stringify({ content: text.slice(0, 60) }, null, 1);
    return `<tool_call>\n{"name": "Add_memory", "arguments": ${args}}\n</tool_call>`;
  }
  questions++;
  if (questions === 4) return { cut: "I am not" };
  return questions % 2 === 0 ? answer : "I do not know.";
}

const server = await startTemplatedServer(says, true);
await using store = await FaissStore.open(":memory:", {
  index: { embeddings: new LexicalEmbeddings(), embeddingName: "lexical", fields: ["content"] },
});
try {
  const { failed, done } = await streamRollouts(
    tasks,
    {
      policy: policyEndpoint({ model: "policy", baseURL: server.url, apiKey: "none" }).policy,
      store,
      judge: createOfflineJudge(),
      k: 3,
      concurrency: 1,
      policyVersion: 5,
    },
    { out },
  );
  if (failed > 0) throw new Error(`${failed} of ${done} rollouts failed`);
} finally {
  await server.close();
}
