/** What a policy without memory, or without the long-term one, is shown in the three stages. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RolloutOptions } from "../../src/rollout/options.js";
import { runRollouts } from "../../src/rollout/runner.js";
import type { FaissStore } from "../../src/store/faiss-store.js";
import type { ScriptedCall, ScriptedResponder } from "../../src/testing/scripted-model.js";
import type { MemoryOp } from "../../src/types.js";
import { memoryStore, newestUser, optionsFor, personTask, respondingModel } from "./setup.js";

let store: FaissStore;
beforeAll(async () => {
  store = await memoryStore();
  await store.put(["memories", "learner"], "old", { content: "Nora Lind is a translator in Porto." });
});
afterAll(() => store.close());

const answer: ScriptedResponder = (messages) => (newestUser(messages).endsWith("?") ? "Porto" : "Go on.");
const inTags: ScriptedResponder = async (messages, tools) =>
  `<think>so</think><answer>${await answer(messages, tools)}</answer>`;

const task = personTask();
const told = [...task.context, ...task.distractors].map(({ title, text }) => `${title}: ${text}`);

/** All requests of one rollout. */
async function requests(operations: MemoryOp[], more: Partial<RolloutOptions> = {}): Promise<ScriptedCall[]> {
  const model = respondingModel(more.protocol === "text" ? inTags : answer);
  const [group] = await runRollouts([task], {
    ...optionsFor(store),
    policy: () => model,
    k: 1,
    earlyAnswer: "message",
    operations,
    ...more,
  });
  expect(group?.rollouts[0]?.trajectory).toMatchObject({ status: "ok", episode: { answer: "Porto" } });
  return [...model.calls];
}

const users = ({ messages }: ScriptedCall): string[] =>
  messages.filter(({ type }) => type === "human").map(({ text }) => text);

describe.each([
  ["native", "loop"],
  ["native", "graph"],
  ["text", "loop"],
] as const)("without operations (%s, %s)", (protocol, driver) => {
  it("nothing speaks of memory, and the question finds all passages in the context", async () => {
    const calls = await requests([], { protocol, driver });
    expect(calls).toHaveLength(told.length + 1);
    for (const [i, call] of calls.entries()) {
      const text = JSON.stringify([call.messages.map(({ content }) => content), call.tools]);
      expect(text).not.toMatch(/memor|retriev|remember|context|summar|budget|tokens|stored/i);
      expect(users(call)).toEqual([...told, task.question].slice(0, i + 1));
    }
  });
});

it("without long-term operations nothing is retrieved, and the context is carried over", async () => {
  const calls = await requests(["SUMMARY", "FILTER"]);
  for (const call of calls) {
    const text = JSON.stringify([call.messages.map(({ content }) => content), call.tools]);
    expect(text).not.toMatch(/memor|retriev|remember|long-term/i);
  }
  expect(users(calls.at(-1) as ScriptedCall)).toEqual([...told, task.question]);
});

it("with them memories are shown, and stage 2 begins with an empty context", async () => {
  const calls = await requests(["ADD", "RETRIEVE"]);
  expect(users(calls[0] as ScriptedCall)[0]).toContain("Nora Lind is a translator in Porto.");
  expect(users(calls.at(-1) as ScriptedCall)).toEqual([...told.slice(2), task.question]);
});
