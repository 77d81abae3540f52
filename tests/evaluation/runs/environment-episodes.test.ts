/** Tasks of an environment in an evaluation: whose memory they see, what is kept, and how a run with shared memory goes on. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { expertActor } from "../../../src/evaluation/environments/actors/scripted.js";
import {
  actorPlayer,
  agePlayer,
  type MemoryScope,
  memorylessPlayer,
  type Player,
} from "../../../src/evaluation/environments/players.js";
import { EnvironmentPool } from "../../../src/evaluation/environments/pool.js";
import { systemPlayer } from "../../../src/evaluation/environments/system-player.js";
import { environmentBatches } from "../../../src/evaluation/runs/environment-episodes.js";
import type { EvaluationEpisode } from "../../../src/evaluation/runs/record.js";
import { readEvaluation } from "../../../src/evaluation/runs/results-file.js";
import { runEvaluation } from "../../../src/evaluation/runs/run.js";
import { FullContext } from "../../../src/evaluation/systems/full-context.js";
import type { MemorySystem } from "../../../src/evaluation/systems/memory-system.js";
import { PassageStore } from "../../../src/evaluation/systems/passage-store.js";
import { LexicalEmbeddings } from "../../../src/models/lexical-embeddings.js";
import { tokenCounter } from "../../../src/models/tokens.js";
import { ScriptedChatModel, type ScriptedStep } from "../../../src/testing/scripted-model.js";
import { LTM_OPS, MEMORY_OPS } from "../../../src/types.js";
import { Corridor, corridorTask } from "../environments/corridor.js";

const index = { embeddings: new LexicalEmbeddings(), embeddingName: "lexical" };
const act = (...actions: string[]) => ({
  tool_calls: actions.map((action) => ({ name: "act", args: { action } })),
});
const learn = (content: string) => ({ tool_calls: [{ name: "Add_memory", args: { content } }] });
/** The call after an episode's end, in which the agent stores nothing. */
const nothing: ScriptedStep = "Nothing to store.";
const remember = { tool_calls: [{ name: "Retrieve_memory", args: { query: "doors" } }] };

let folder: string;
let out: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agemem-environments-"));
  out = join(folder, "results.jsonl");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function run(
  player: () => Player,
  tasks: string[],
  scope: MemoryScope = "per-suite",
  signal?: AbortSignal,
): Promise<EvaluationEpisode[]> {
  const environments = new EnvironmentPool(() => new Corridor());
  const batches = environmentBatches({
    suite: "babyai",
    tasks: tasks.map(corridorTask),
    system: "agemem",
    seed: 0,
    scope,
    environments,
    player,
    maxSteps: 5,
  });
  await runEvaluation(batches, { out, settings: {}, ...(signal ? { signal } : {}) });
  return (await readEvaluation(out)).flatMap((line) => (line.type === "episode" ? [line] : []));
}

const remembering = (steps: ScriptedStep[], shared = true) => {
  const model = new ScriptedChatModel(steps);
  const player = () =>
    agePlayer({
      agent: { model },
      index,
      operations: MEMORY_OPS,
      ...(shared ? { folder: join(folder, "memory") } : {}),
    });
  return { model, player };
};
const lastText = (model: ScriptedChatModel, at: number) => model.calls[at]?.messages.at(-1)?.text;

const beside = (
  steps: ScriptedStep[],
  open: () => Promise<MemorySystem> = async () => new PassageStore({ mode: "keyword" }),
  afterwards = false,
) => {
  const model = new ScriptedChatModel(steps);
  const player = () =>
    systemPlayer({ agent: { model }, open, user: "player", k: 3, afterwards, counter: tokenCounter() });
  return { model, player };
};
const tasksOf = (n: number) => Array.from({ length: n }, (_, i) => `t${i + 1}`);
/** Opens memories and keeps what the newest of them was shown last. */
const seen = (make: () => FullContext) => {
  let texts: string[] = [];
  const open = async (): Promise<MemorySystem> => {
    const memory = make();
    return {
      name: memory.name,
      reset: () => memory.reset(),
      recall: () => memory.recall(),
      all: () => memory.all(),
      close: () => memory.close(),
      observe: async (messages) => {
        const usage = await memory.observe(messages);
        texts = (await memory.all()).map(({ text }) => text);
        return usage;
      },
    };
  };
  return { open, last: () => texts };
};

it("the whole past beside the context leaves out the episode that the context holds", async () => {
  const { model, player } = beside(
    [act("push"), act("open", "open"), act("open", "open")],
    async () => new FullContext(),
    true,
  );
  const [first, second] = await run(player, tasksOf(2));
  expect(first).toMatchObject({ recalled: 0 });
  // Observation, three actions with theirs, and the outcome.
  expect(second).toMatchObject({ recalled: 8 });
  expect(JSON.stringify(model.calls[1]?.messages.map(({ text }) => text))).not.toContain(
    "retrieved_memories",
  );
  expect(lastText(model, 2)).toContain("The task is solved.");
});

describe("whose memory an episode sees", () => {
  const script = (...between: ScriptedStep[]): ScriptedStep[] => [
    learn("Say open, twice."),
    act("open", "open"),
    ...between,
    remember,
    act("open", "open"),
    ...between,
  ];

  it("per suite, the next task sees the lesson", async () => {
    const { model, player } = remembering(script(nothing));
    const [first, second] = await run(player, ["t1", "t2"]);
    expect(lastText(model, 4)).toContain("Say open, twice.");
    expect(first).toMatchObject({
      case: "babyai",
      metrics: { success: 1, progress: 1, grounding_accuracy: 1 },
      operations: { act: 2, ADD: 1 },
      policy: { calls: 3 },
      environment: { ended: "won", turns: 2, start: "You stand before two doors.", memory: { revision: 1 } },
    });
    expect(first).toMatchObject({ recalled: 0 });
    expect(second).toMatchObject({ recalled: 1, environment: { memory: { branch: "main", revision: 1 } } });
    expect(second?.recalled_tokens).toBeGreaterThan(0);
  });

  it("per suite, the outcome is told after the last action, and a lesson stored then is kept", async () => {
    const steps: ScriptedStep[] = [
      act("open", "open"),
      learn("Opening twice solved it."),
      remember,
      act("push", "push", "push", "push", "push"),
      () => act("open"),
    ];
    const { model, player } = remembering(steps);
    const [first, second] = await run(player, ["t1", "t2"]);
    expect(lastText(model, 1)).toContain("The task is solved.");
    expect(lastText(model, 3)).toContain("Opening twice solved it.");
    expect(first).toMatchObject({
      operations: { act: 2, ADD: 1 },
      environment: { ended: "won", turns: 1, memory: { branch: "main", revision: 1 } },
    });
    // An action after the end is not taken.
    expect(lastText(model, 4)).toContain("The task is not solved.");
    expect(second).toMatchObject({ metrics: { success: 0 }, operations: { act: 5 } });
    model.assertDone();
  });

  it("per episode it does not, and every task is a case of its own", async () => {
    const { model, player } = remembering(script(), false);
    const lines = await run(player, ["t1", "t2"], "per-episode");
    expect(lastText(model, 3)).not.toContain("Say open, twice.");
    expect(lines.map((line) => line.case)).toEqual(["t1", "t2"]);
  });

  it('as the paper\'s "-RAG", what is nearest is shown with each call, and there is no tool for the context', async () => {
    const model = new ScriptedChatModel([learn("Two doors: say open, twice."), act("open"), act("open")]);
    const player = () => agePlayer({ agent: { model }, index, operations: LTM_OPS, retrieved: 2 });
    const [first] = await run(player, ["t1"]);
    expect(first).toMatchObject({ metrics: { success: 1 }, recalled: 2 });
    expect(first?.recalled_tokens).toBeGreaterThan(8);
    const shown = model.calls.map((_, at) => String(lastText(model, at)).includes("say open, twice"));
    expect(shown).toEqual([false, true, true]);
    const tools = model.calls[0]?.tools.map(({ name }) => name);
    expect(tools).toEqual(expect.arrayContaining(["act", "Add_memory"]));
    expect(tools).toHaveLength(1 + LTM_OPS.length);
    // Shown beside the context, not in it.
    const last = model.calls[2]?.messages.filter(
      ({ type, text }) => type === "human" && text.includes("<retrieved_memories"),
    );
    expect(last).toHaveLength(1);
  });

  it("none: the act tool alone, not a word on memories, the whole episode in the context", async () => {
    const model = new ScriptedChatModel([act("push"), "Action: open", act("open")]);
    await run(() => memorylessPlayer({ model }), ["t1"], "none");
    for (const { messages, tools } of model.calls) {
      expect(tools.map(({ name }) => name)).toEqual(["act"]);
      expect(JSON.stringify(messages.map(({ content }) => content))).not.toMatch(/memor|retriev|context/i);
    }
    expect(model.calls[2]?.messages).toHaveLength(6);
  });
});

describe("a run that is continued", () => {
  it("begins from the memory after the last recorded episode: a lesson of one that was cut off is gone", async () => {
    const stop = new AbortController();
    const cutOff: ScriptedStep[] = [
      learn("Say open, twice."),
      act("open", "open"),
      nothing,
      learn("Doors are locked."),
      () => {
        stop.abort(new Error("killed"));
        return act("open");
      },
    ];
    const tasks = ["t1", "t2", "t3"];
    await expect(run(remembering(cutOff).player, tasks, "per-suite", stop.signal)).rejects.toThrow("killed");
    const rest: ScriptedStep[] = [
      remember,
      act("open", "open"),
      nothing,
      learn("Two doors."),
      act("open", "open"),
      nothing,
    ];
    const { model, player } = remembering(rest);
    const lines = await run(player, tasks);
    expect(lines.map(({ task }) => task)).toEqual(tasks);
    expect(lastText(model, 1)).toContain("Say open, twice.");
    expect(lastText(model, 1)).not.toContain("locked");
    // Once more: the branch of the continued run is where it goes on.
    const again = remembering([remember, act("open", "open"), nothing]);
    await run(again.player, [...tasks, "t4"]);
    expect(lastText(again.model, 1)).toContain("Two doors.");
    expect(lastText(again.model, 1)).not.toContain("locked");
  });

  it("is refused when its memory is gone, and begins anew when there is no episode yet", async () => {
    await run(remembering([act("open", "open"), nothing]).player, ["t1"]);
    await rm(join(folder, "memory"), { recursive: true });
    const refused = run(remembering([]).player, ["t1", "t2"]);
    await expect(refused).rejects.toMatchObject({ code: "AGEMEM_INPUT_FILE" });
    await rm(out);
    await run(remembering([learn("Old."), act("open", "open"), nothing]).player, ["t1"]);
    await rm(out);
    const { model, player } = remembering([remember, act("open", "open"), nothing]);
    await run(player, ["t1"]);
    expect(lastText(model, 1)).not.toContain("Old.");
  });

  it("shows a compared memory the recorded episodes again", async () => {
    await run(beside([act("push"), act("open", "open")]).player, ["t1"]);
    const { model, player } = beside([act("open", "open")]);
    const lines = await run(player, ["t1", "t2"]);
    expect(lastText(model, 0)).toMatch(/^<retrieved_memories count="\d">/);
    expect(lastText(model, 0)).toContain("You stand before two doors.");
    expect(lines[1]?.recalled_tokens).toBeGreaterThan(0);
  });

  it("shows a compared memory the same as a run that was not interrupted", async () => {
    const whole = seen(() => new FullContext());
    await run(beside([act("push"), act("open", "open"), act("open", "open")], whole.open).player, tasksOf(2));
    await rm(out);
    const cut = seen(() => new FullContext());
    await run(beside([act("push"), act("open", "open")], cut.open).player, tasksOf(1));
    await run(beside([act("open", "open")], cut.open).player, tasksOf(2));
    expect(cut.last()).toEqual(whole.last());
    expect(whole.last().at(-1)).toContain("The task is solved.");
  });
});

it("an environment that fails costs its episode, with the code, and not the run", async () => {
  const { player } = remembering([
    learn("Never break."),
    act("break"),
    remember,
    act("open", "open"),
    nothing,
  ]);
  const [broken, next] = await run(player, ["t1", "t2"]);
  expect(broken).toMatchObject({ metrics: null, error: { code: "AGEMEM_ENVIRONMENT_UNREACHABLE" } });
  expect(next).toMatchObject({ metrics: { success: 1 }, error: null });
});

it("an expert costs nothing", async () => {
  const [line] = await run(() => actorPlayer(expertActor), ["t1"]);
  expect(line).toMatchObject({ metrics: { success: 1 }, policy: { calls: 0, prompt_tokens: 0 } });
});
