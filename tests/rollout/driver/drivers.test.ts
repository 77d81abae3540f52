/** The plain loop against the graph that is deployed: the same episodes, the same records. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { loadTasks } from "../../../src/evaluation/tasks/source.js";
import { generateTasks } from "../../../src/evaluation/tasks/synthetic.js";
import { OfflinePolicy } from "../../../src/offline/policy.js";
import { OfflineSummarizer } from "../../../src/offline/summarizer.js";
import type { RolloutOptions } from "../../../src/rollout/options.js";
import { runRollouts } from "../../../src/rollout/runner.js";
import type { ScriptedResponder } from "../../../src/testing/scripted-model.js";
import type { MemoryTask } from "../../../src/types.js";
import { call, diligent, HOTPOTQA, memoryStore, newestUser, optionsFor, personTask } from "../setup.js";

afterEach(() => vi.unstubAllEnvs());

/** Everything that a run recorded, apart from times and random ids; those are numbered in order of appearance. */
async function recorded(
  driver: "loop" | "graph",
  tasks: MemoryTask[],
  options: Omit<RolloutOptions, "store" | "judge">,
): Promise<unknown[]> {
  const store = await memoryStore();
  const defaults = optionsFor(store);
  const groups = await runRollouts(tasks, { ...defaults, k: 2, concurrency: 1, ...options, driver });
  await store.close();
  const runs = new Map<string, string>();
  const numbered = (id: string | null) => {
    if (id === null) return null;
    if (!runs.has(id)) runs.set(id, `run ${runs.size}`);
    return runs.get(id);
  };
  const plain = groups.flatMap((group) =>
    group.rollouts.flatMap(({ steps, trajectory }) => [
      ...steps.map((step) => ({
        ...step,
        run_id: numbered(step.run_id),
        root_run_id: numbered(step.root_run_id),
        // Random ids of the scheduler's, which a loop does not have.
        langgraph: { ...step.langgraph, checkpoint_ns: null, checkpoint_id: null },
      })),
      trajectory,
    ]),
  );
  return JSON.parse(JSON.stringify(plain), (key, value) =>
    key === "ts" || key === "latency_ms" || key === "latencyMs" ? 0 : value,
  );
}

async function expectSame(tasks: MemoryTask[], options: Omit<RolloutOptions, "store" | "judge">) {
  const loop = await recorded("loop", tasks, options);
  const graph = await recorded("graph", tasks, options);
  expect(loop.length).toBeGreaterThan(tasks.length);
  expect(loop).toEqual(graph);
  return loop as Record<string, unknown>[];
}

const scripted = (respond: ScriptedResponder) => ({ policy: optionsFor(undefined as never, respond).policy });

describe("loop and graph record the same", () => {
  it.each(["native", "text"] as const)("of the rules over made-up tasks, %s", async (protocol) => {
    const policy: RolloutOptions["policy"] = ({ seed }) => new OfflinePolicy({ seed, temperature: 1 });
    const tasks = generateTasks({ count: 3, seed: "drivers", difficulty: 0.75 });
    const records = await expectSame(tasks, { policy, protocol, budget: { maxTokens: 3000 } });
    const ops = records.flatMap(({ memory_ops = [] }) =>
      (memory_ops as { op: string }[]).map(({ op }) => op),
    );
    expect(new Set(ops).size).toBeGreaterThanOrEqual(4);
  });

  it.skipIf(!HOTPOTQA)("of the rules over HotpotQA", async () => {
    const policy: RolloutOptions["policy"] = ({ seed }) => new OfflinePolicy({ seed, temperature: 1 });
    await expectSame(await loadTasks(`hotpotqa:${HOTPOTQA}`, { limit: 3 }), { policy });
  });

  it("of every operation, refused and unknown calls and several calls in one response", async () => {
    const script: ScriptedResponder = (messages) => {
      const told = newestUser(messages);
      const answers = messages.filter((message) => message.type === "tool").length;
      if (!told.endsWith("?")) {
        const content = told.split("\n\n")[0] as string;
        return {
          tool_calls: [
            { name: "Add_memory", args: { content } },
            { name: "Add_memory", args: { content } },
            { name: "No_such_tool", args: {} },
            { name: "Retrieve_memory", args: { query: 3 } },
          ],
        };
      }
      const last = messages.at(-1)?.text ?? "";
      const id = /id="(\w+)"/.exec(last)?.[1] ?? "none";
      const asked = messages.length - messages.findLastIndex((message) => message.type === "human");
      if (asked === 1) return call("Retrieve_memory", { query: told });
      if (asked === 3)
        return {
          tool_calls: [
            { name: "Update_memory", args: { memory_id: id, content: "New." } },
            { name: "Delete_memory", args: { memory_id: id, confirmed: true } },
            { name: "Filter_context", args: { criteria: "fortified wine" } },
          ],
        };
      if (answers < 40 && asked < 8) return call("Summary_context", { span: "all" });
      return "Porto";
    };
    const records = await expectSame([personTask(0), personTask(1)], {
      ...scripted(script),
      summarizer: new OfflineSummarizer(),
    });
    const ops = records.flatMap(({ memory_ops = [] }) =>
      (memory_ops as { op: string; ok: boolean }[]).map(({ op, ok }) => `${op} ${ok}`),
    );
    const both = ["ADD", "RETRIEVE", "UPDATE", "DELETE", "FILTER"].flatMap((op) => [
      `${op} true`,
      `${op} false`,
    ]);
    expect(new Set(ops)).toEqual(new Set([...both, "SUMMARY true"]));
    expect(records.some(({ call_role }) => call_role === "aux")).toBe(true);
  });

  it.each(["native", "text"] as const)("of broken responses and turns that run out, %s", async (protocol) => {
    let asked = 0;
    const script: ScriptedResponder = (messages) => {
      asked++;
      const told = newestUser(messages);
      if (asked % 3 === 0) return protocol === "text" ? "<tool_call>[{" : "";
      if (protocol === "text") {
        return `<tool_call>[{"name": "Retrieve_memory", "arguments": {"query": "n ${asked}"}}]</tool_call>`;
      }
      return call("Retrieve_memory", { query: told });
    };
    const run = (driver: "loop" | "graph") => {
      asked = 0;
      return recorded(driver, [personTask(0)], { ...scripted(script), protocol, maxTurns: 4 });
    };
    const loop = await run("loop");
    expect(loop).toEqual(await run("graph"));
    expect(JSON.stringify(loop)).toMatch(/"format_error":"/);
  });

  it("of a model that fails, and of a context over its budget", async () => {
    const failing: ScriptedResponder = (messages) => {
      if (newestUser(messages).includes("number 2")) throw new Error("the socket hung up");
      return diligent(messages, []);
    };
    const records = await expectSame([personTask(0), personTask(2)], {
      ...scripted(failing),
      budget: { maxTokens: 1400, responseTokens: 100 },
    });
    const outcomes = records.filter(({ kind }) => kind === "trajectory").map(({ status }) => status);
    expect(outcomes).toEqual(["ok", "ok", "error", "error"]);
  });

  it("of a rollout that takes too long: the same status and steps", async () => {
    const hanging: ScriptedResponder = (messages) =>
      newestUser(messages).endsWith("?") ? new Promise<never>(() => undefined) : diligent(messages, []);
    const options = { ...scripted(hanging), k: 1, timeoutMs: 3_000 };
    const [loop, graph] = await Promise.all([
      recorded("loop", [personTask(0)], options),
      recorded("graph", [personTask(0)], options),
    ]);
    expect(loop.at(-1)).toMatchObject({ status: "timeout" });
    expect(loop).toEqual(graph);
  });
});

describe("the driver", () => {
  it("is the graph while LangSmith tracing is on", async () => {
    const placeOf = async () => {
      const store = await memoryStore();
      const [group] = await runRollouts([personTask(0)], { ...optionsFor(store), k: 1 });
      await store.close();
      return group?.rollouts[0]?.steps[0]?.langgraph.checkpoint_ns;
    };
    expect(await placeOf()).toBeNull();
    vi.stubEnv("LANGSMITH_TRACING", "true");
    vi.stubEnv("LANGSMITH_ENDPOINT", "http://127.0.0.1:9");
    expect(await placeOf()).toMatch(/^think:/);
  });
});
