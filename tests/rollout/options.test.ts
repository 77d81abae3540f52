/** Wrong options of rollouts are refused before anything runs, also where no type checker looked at them. */
import { beforeEach, describe, expect, it } from "vitest";
import { runRollouts, streamRollouts } from "../../src/rollout/runner.js";
import { createRolloutGraph } from "../../src/rollout/service/graph.js";
import { rolloutSettings } from "../../src/rollout/settings.js";
import type { FaissStore } from "../../src/store/faiss-store.js";
import { memoryStore, optionsFor, personTask } from "./setup.js";

let store: FaissStore;
beforeEach(async () => {
  store = await memoryStore();
  return () => store.close();
});

const refusal = (message: RegExp) =>
  expect.objectContaining({ code: "AGEMEM_CONFIG_INVALID", message: expect.stringMatching(message) });

const WRONG: [object, RegExp][] = [
  [{ policy: undefined }, /policy: must be a function/],
  [{ policy: "offline" }, /policy: must be a function/],
  [{ store: "./memory" }, /store: must be a store with versions/],
  [{ store: new Map() }, /store: must be a store with versions/],
  [{ judge: undefined }, /judge: must be a Judge/],
  [{ k: "8" }, /k: must be a whole number/],
  [{ maxTurns: Number.NaN }, /maxTurns: must be a whole number/],
  [{ max_turns: 3 }, /unknown option "max_turns" \(did you mean "maxTurns"\?\)/],
  [{ temperature: 1 }, /unknown option "temperature"/],
  [{ theta: 0.5 }, /unknown option "theta"/],
  [{ namespace: ["memories"] }, /unknown option "namespace"/],
  [{ budget: { maxTokens: 1.5 } }, /budget\.maxTokens: must be a whole number/],
  [{ budget: { responseTokens: 9000 } }, /budget: leaves no tokens/],
  [{ budget: { maxToken: 900 } }, /unknown option "budget\.maxToken" \(did you mean "maxTokens"\?\)/],
  [{ topK: 51 }, /topK: must be a whole number of 1 to 50/],
  [{ protocol: "xml" }, /protocol: must be one of/],
  [{ promptVariant: "tiny" }, /promptVariant: must be one of/],
  [{ operations: ["Add_memory"] }, /operations\.0: must be one of "ADD"/],
  [{ engine: { name: "vllm" } }, /engine\.version: must be text or null/],
  [{ summarizer: "openai:gpt-4o-mini" }, /summarizer: must be a chat model/],
  [{ embeddings: {} }, /embeddings: must be a LangChain embedding model/],
  [{ counter: () => 1 }, /counter: must be a TokenCounter/],
  [{ reward: { preset: "all" } }, /reward\.preset: must be one of "paper"/],
  [{ reward: { weights: { task: Number.NaN } } }, /reward\.weights\.task: must be a finite number/],
  [
    { reward: { weights: { tasks: 1 } } },
    /unknown option "reward\.weights\.tasks" \(did you mean "task"\?\)/,
  ],
  [{ advantage: "grpo" }, /advantage: must be one of .*"trinity"/],
  [{ advantage: { std: "none", eps: -1 } }, /advantage: must be one of .*in range/],
  [{ seed: Number.NaN }, /seed: must be text or a finite number/],
  [{ concurrency: 0 }, /concurrency: must be a whole number/],
  [{ timeoutMs: 2 ** 31 }, /timeoutMs: must be a number from 1 to 2147483647/],
  [{ timeoutMs: "600" }, /timeoutMs: must be a number/],
  [{ policyVersion: -1 }, /policyVersion: must be a whole number of 0/],
  [{ driver: "tree" }, /driver: must be one of "loop", "graph"/],
  [{ runName: "" }, /runName: must be text/],
  [{ signal: new AbortController() }, /signal: must be an AbortSignal/],
];

describe("options of rollouts", () => {
  it.each(WRONG)("%j are refused before a rollout", async (wrong, message) => {
    let asked = 0;
    const policy = () => {
      asked++;
      throw new Error("It was asked for a model.");
    };
    const options = { ...optionsFor(store), policy, ...wrong } as never;
    await expect(streamRollouts([personTask()], options)).rejects.toEqual(refusal(message));
    await expect(runRollouts([personTask()], options)).rejects.toEqual(refusal(message));
    expect(asked).toBe(0);
  });

  it("are all named at once, with what was called", async () => {
    const options = { ...optionsFor(store), k: 0, protocol: "xml" } as never;
    await expect(runRollouts([], options)).rejects.toEqual(refusal(/^runRollouts: .*k: .*; .*protocol: /));
    await expect(streamRollouts([], options)).rejects.toEqual(refusal(/^streamRollouts: /));
    await expect(runRollouts([], undefined as never)).rejects.toEqual(refusal(/the options: must be/));
  });

  it("are the defaults where they are undefined", () => {
    const { k, budget } = rolloutSettings({
      ...optionsFor(store),
      k: undefined,
      budget: { maxTokens: 9000, responseTokens: undefined },
    } as never);
    expect({ k, budget }).toEqual({ k: 8, budget: { maxTokens: 9000, responseTokens: 2048 } });
  });

  it("are refused among the hooks", async () => {
    const wrong: [object, RegExp][] = [
      [{ output: "run.jsonl" }, /unknown option "output"/],
      [{ onProgres: () => undefined }, /unknown option "onProgres" \(did you mean "onProgress"\?\)/],
      [{ out: 5 }, /out: must be text/],
      [{ onGroup: "train" }, /onGroup: must be a function/],
      [{ workers: 4 }, /workers: must be a WorkerPool/],
    ];
    for (const [hooks, message] of wrong) {
      await expect(streamRollouts([], optionsFor(store), hooks as never)).rejects.toEqual(refusal(message));
      await expect(runRollouts([], optionsFor(store), hooks as never)).rejects.toEqual(refusal(message));
    }
  });
});

describe("the graph of rollouts", () => {
  it("refuses wrong options when it is built", () => {
    const openStore = memoryStore;
    const wrong: [unknown, RegExp][] = [
      [undefined, /the options: must be/],
      [{}, /openStore: must be a function/],
      [{ openStore: store }, /openStore: must be a function/],
      [{ openStore, counterFor: "gpt-4o" }, /counterFor: must be a function/],
      [{ openStore, counter: () => 1 }, /unknown option "counter"/],
    ];
    for (const [options, message] of wrong) {
      expect(() => createRolloutGraph(options as never)).toThrow(refusal(message));
    }
  });

  it.each([
    [{ max_turn: 3 }, /unknown option "max_turn" \(did you mean "max_turns"\?\)/],
    [{ policy: { model: "m", api_key: "k" } }, /unknown option "policy\.api_key"/],
    [{ policy: { model: "m", maxTokens: 5 } }, /"policy\.maxTokens" \(did you mean "max_tokens"\?\)/],
    [{ top_k: 51 }, /top_k: .*50/],
    [{ timeout_s: 2_147_484 }, /timeout_s: /],
    [{ k: 0, t_max: 1.5 }, /k: .*; t_max: /],
  ])("refuses the request %j", async (wrong, message) => {
    const graph = createRolloutGraph({ openStore: memoryStore });
    const { goldFacts, ...row } = personTask();
    const request = { tasks: [{ ...row, gold_facts: goldFacts }], ...wrong };
    await expect(graph.invoke({ request } as never)).rejects.toEqual(
      expect.objectContaining({
        code: "AGEMEM_INPUT_ARGUMENT",
        message: expect.stringMatching(message as RegExp),
      }),
    );
  });
});
