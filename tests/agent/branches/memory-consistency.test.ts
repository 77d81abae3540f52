import { Command, InMemoryStore, MemorySaver } from "@langchain/langgraph";
import { beforeEach, describe, expect, it } from "vitest";
import { createAgeMemAgent } from "../../../src/agent/agent.js";
import { StoreError } from "../../../src/errors.js";
import type { FaissStore } from "../../../src/store/faiss-store.js";
import { ScriptedChatModel, type ScriptedStep } from "../../../src/testing/scripted-model.js";
import { ada, calls, contents, openStore, says, scripted } from "../helpers.js";

let store: FaissStore;
beforeEach(async () => {
  store = await openStore();
  await store.put(["memories", "ada"], "m0", { content: "Ada is 36." }, ["content"]);
  return () => store.close();
});

const add = (content: string): ScriptedStep => calls(["Add_memory", { content }]);
const make = (steps: ScriptedStep[], more = {}) =>
  scripted(steps, { store, memoryConsistency: "checkpoint", checkpointer: new MemorySaver(), ...more }).agent;
type Result = { ltmVersion: { branch: string; revision: number } | null };
const memoriesOf = async ({ ltmVersion }: Result) =>
  contents(await store.branch(ltmVersion?.branch as string));

describe('memoryConsistency "checkpoint"', () => {
  it("gives each thread a branch that sees the trunk and keeps its own writes", async () => {
    const agent = make([
      add("Ada lives in Oslo."),
      "Noted.",
      add("Ada plays chess."),
      "Noted.",
      add("Ada likes fish."),
      "Noted.",
    ]);
    const one = await agent.invoke(says("1"), ada("t1"));
    const two = await agent.invoke(says("2"), ada("t2"));
    const again = await agent.invoke(says("3"), ada("t1"));
    expect(await contents(store)).toEqual(["Ada is 36."]);
    expect(again.ltmVersion?.branch).toBe(one.ltmVersion?.branch);
    expect(await memoriesOf(again)).toEqual(["Ada is 36.", "Ada lives in Oslo.", "Ada likes fish."]);
    expect(await memoriesOf(two)).toEqual(["Ada is 36.", "Ada plays chess."]);
    const branch = await store.branch(again.ltmVersion?.branch as string);
    await branch.promote();
    expect(await contents(store)).toHaveLength(3);
  });

  it("goes back in both memories: time travel finds M as the checkpoint saw it, and the old future stays", async () => {
    const agent = make([
      add("Ada lives in Oslo."),
      "Noted.",
      add("Ada moved to Bergen."),
      "Noted.",
      calls(["Retrieve_memory", { query: "Where does Ada live? moved", top_k: 9 }]),
      "Oslo.",
    ]);
    await agent.invoke(says("I live in Oslo."), ada("t"));
    const then = await agent.getState(ada("t"));
    const future = await agent.invoke(says("I moved to Bergen."), ada("t"));
    const past = await agent.invoke(says("Where do I live?"), {
      ...then.config,
      context: { user_id: "ada" },
    });
    expect(past.messages.map((m) => m.text).join()).not.toContain("Bergen");
    expect(past.messages.at(-2)?.text).toContain("Ada lives in Oslo.");
    expect(past.ltmVersion?.branch).not.toBe(future.ltmVersion?.branch);
    expect(await memoriesOf(past)).toEqual(["Ada is 36.", "Ada lives in Oslo."]);
    expect(await memoriesOf(future)).toContain("Ada moved to Bergen.");
  });

  it("time travel with the default shares the newest M", async () => {
    const agent = make([add("Ada lives in Oslo."), "Noted.", add("Ada moved to Bergen."), "Noted.", "Hm."], {
      memoryConsistency: "latest",
    });
    await agent.invoke(says("1"), ada("t"));
    const then = await agent.getState(ada("t"));
    await agent.invoke(says("2"), ada("t"));
    const past = await agent.invoke(says("3"), { ...then.config, context: { user_id: "ada" } });
    expect(past.ltmVersion).toEqual(store.version());
    expect(await contents(store)).toHaveLength(3);
  });

  it("forks the memory with the thread", async () => {
    const agent = make([
      add("Ada lives in Oslo."),
      "Noted.",
      add("A goes on."),
      "Noted.",
      add("B goes on."),
      "Noted.",
    ]);
    const origin = await agent.invoke(says("1"), ada("t1"));
    const state = await agent.getState(ada("t1"));
    await agent.updateState(ada("t2"), state.values, "answer");
    const copy = await agent.invoke(says("2"), ada("t2"));
    const on = await agent.invoke(says("3"), ada("t1"));
    expect(on.ltmVersion?.branch).toBe(origin.ltmVersion?.branch);
    expect(await memoriesOf(copy)).toEqual(["Ada is 36.", "Ada lives in Oslo.", "A goes on."]);
    expect(await memoriesOf(on)).toEqual(["Ada is 36.", "Ada lives in Oslo.", "B goes on."]);
  });

  it("keeps one branch through an approval, and starts over from the checkpoint after a failure", async () => {
    const approved = make([add("Ada lives in Oslo."), "Noted."], { interruptOn: { Add_memory: true } });
    await approved.invoke(says("1"), ada("t"));
    const result = await approved.invoke(
      new Command({ resume: { decisions: [{ type: "approve" }] } }),
      ada("t"),
    );
    expect(await memoriesOf(result)).toEqual(["Ada is 36.", "Ada lives in Oslo."]);
    expect((await store.branches()).map((branch) => branch.name)).toEqual([
      "main",
      result.ltmVersion?.branch,
    ]);

    const failing = make([
      calls(["Add_memory", { content: "A is one." }], ["Add_memory", { content: "B is two." }]),
      "Noted.",
    ]);
    const original = Object.getPrototypeOf(store).put;
    let writes = 0;
    Object.getPrototypeOf(store).put = async function put(...args: unknown[]) {
      if (++writes === 2) throw new StoreError("AGEMEM_STORE_IO", "The disk failed");
      return original.apply(this, args);
    };
    try {
      await expect(failing.invoke(says("1"), ada("f"))).rejects.toMatchObject({ code: "AGEMEM_STORE_IO" });
      expect(await memoriesOf(await failing.invoke(null, ada("f")))).toEqual([
        "Ada is 36.",
        "A is one.",
        "B is two.",
      ]);
    } finally {
      Object.getPrototypeOf(store).put = original;
    }
  });

  it("leaves no branch behind when a model fails at the first step of a thread, however often it is tried", async () => {
    const down = new Error("down");
    const agent = make([down, down, add("Ada lives in Oslo."), "Noted."]);
    await expect(agent.invoke(says("1"), ada("t"))).rejects.toThrow();
    await expect(agent.invoke(null, ada("t"))).rejects.toThrow();
    expect((await store.branches()).map(({ name }) => name)).toEqual(["main"]);
    const result = await agent.invoke(null, ada("t"));
    expect(await memoriesOf(result)).toEqual(["Ada is 36.", "Ada lives in Oslo."]);
    expect(await store.branches()).toHaveLength(2);
  });

  it("needs a store with versions", () => {
    const options = { model: new ScriptedChatModel([]), store: new InMemoryStore() };
    expect(() => createAgeMemAgent({ ...options, memoryConsistency: "checkpoint" })).toThrow(
      expect.objectContaining({ code: "AGEMEM_CONFIG_INVALID" }),
    );
  });
});

describe("a thread whose branch was promoted", () => {
  const open = async (name: string | undefined) => store.branch(name as string);
  const branchOf = ({ ltmVersion }: Result) => ltmVersion?.branch as string;

  it("goes on from the promoted state, once and again, also after a vacuum", async () => {
    const agent = make([
      add("Ada lives in Oslo."),
      "Noted.",
      add("Ada plays chess."),
      "Noted.",
      add("Ada likes fish."),
      "Noted.",
    ]);
    const first = await agent.invoke(says("1"), ada("t"));
    await (await open(branchOf(first))).promote();
    await store.put(["memories", "ada"], "m9", { content: "Of another thread." }, ["content"]);

    const second = await agent.invoke(says("2"), ada("t"));
    expect(branchOf(second)).not.toBe(branchOf(first));
    expect(await memoriesOf(second)).toEqual(["Ada is 36.", "Ada lives in Oslo.", "Ada plays chess."]);
    const result = await (await open(branchOf(second))).promote();
    expect(result).toMatchObject({ branch: "main", conflicts: [] });
    await store.vacuum();

    const third = await agent.invoke(says("3"), ada("t"));
    expect((await memoriesOf(third)).sort()).toEqual([
      "Ada is 36.",
      "Ada likes fish.",
      "Ada lives in Oslo.",
      "Ada plays chess.",
      "Of another thread.",
    ]);
  });

  it("goes back to a checkpoint before the promotion, and what it does there can be promoted too", async () => {
    const agent = make([
      add("Ada lives in Oslo."),
      "Noted.",
      add("Ada plays chess."),
      "Noted.",
      add("Ada likes fish."),
      "Noted.",
    ]);
    await agent.invoke(says("1"), ada("t"));
    const then = await agent.getState(ada("t"));
    const last = await agent.invoke(says("2"), ada("t"));
    await (await open(branchOf(last))).promote();
    const past = await agent.invoke(says("3"), { ...then.config, context: { user_id: "ada" } });
    expect(await memoriesOf(past)).toEqual(["Ada is 36.", "Ada lives in Oslo.", "Ada likes fish."]);
    expect(await (await open(branchOf(past))).promote()).toMatchObject({ branch: "main", conflicts: [] });
    expect(await contents(store)).toEqual([
      "Ada is 36.",
      "Ada lives in Oslo.",
      "Ada plays chess.",
      "Ada likes fish.",
    ]);
  });

  it("takes its copies along", async () => {
    const agent = make([add("Ada lives in Oslo."), "Noted.", add("Ada plays chess."), "Noted."]);
    const first = await agent.invoke(says("1"), ada("t1"));
    await agent.updateState(ada("t2"), (await agent.getState(ada("t1"))).values, "answer");
    await (await open(branchOf(first))).promote();
    const copy = await agent.invoke(says("2"), ada("t2"));
    expect(await memoriesOf(copy)).toEqual(["Ada is 36.", "Ada lives in Oslo.", "Ada plays chess."]);
  });

  it("says so when the promoted state is gone for good: its parent was discarded", async () => {
    const parent = await store.fork("draft");
    const agent = make([add("Ada lives in Oslo."), "Noted.", "Hm."], { store: parent });
    const first = await agent.invoke(says("1"), ada("t"));
    await (await open(branchOf(first))).promote();
    await parent.discard();
    await store.vacuum();
    await expect(agent.invoke(says("2"), ada("t"))).rejects.toMatchObject({ code: "AGEMEM_STORE_BRANCH" });
  });
});

describe("promote", () => {
  it("refuses an answer to conflicts that it does not know, and changes nothing", async () => {
    const fork = await store.fork("trial");
    await fork.put(["memories", "ada"], "m0", { content: "Ada is 37." }, ["content"]);
    await store.put(["memories", "ada"], "m0", { content: "Ada is 38." }, ["content"]);
    await expect(fork.promote({ onConflict: "Overwrite" as never })).rejects.toMatchObject({
      code: "AGEMEM_INPUT_ARGUMENT",
    });
    expect((await fork.get(["memories", "ada"], "m0"))?.value.content).toBe("Ada is 37.");
    expect(await contents(store)).toEqual(["Ada is 38."]);
  });

  it("reaches the nearest open ancestor, with what the closed ones between had", async () => {
    const outer = await store.fork("outer");
    await outer.put(["memories", "ada"], "m1", { content: "Outer." }, ["content"]);
    const inner = await outer.fork("inner");
    await inner.put(["memories", "ada"], "m2", { content: "Inner." }, ["content"]);
    await outer.discard();
    expect(await inner.promote()).toMatchObject({ branch: "main", applied: 2 });
    expect(await contents(store)).toEqual(["Ada is 36.", "Outer.", "Inner."]);
  });
});
