import { MemorySaver } from "@langchain/langgraph";
import { PostgresSaver } from "@langchain/langgraph-checkpoint-postgres";
import { beforeEach, describe, expect, it } from "vitest";
import {
  branchesInCheckpoints,
  discardThreadBranches,
  sweepThreadBranches,
} from "../../../src/agent/branches/thread-memory.js";
import type { FaissStore } from "../../../src/store/faiss-store.js";
import type { ScriptedStep } from "../../../src/testing/scripted-model.js";
import { startPostgres } from "../../tools/postgres.js";
import { ada, calls, contents, openStore, says, scripted } from "../helpers.js";

let store: FaissStore;
let checkpointer: MemorySaver;
beforeEach(async () => {
  store = await openStore();
  checkpointer = new MemorySaver();
  return () => store.close();
});

const add = (content: string): ScriptedStep => calls(["Add_memory", { content }]);
const make = (...steps: ScriptedStep[]) =>
  scripted(steps, { store, memoryConsistency: "checkpoint", checkpointer }).agent;
const names = async () => (await store.branches()).map(({ name }) => name).filter((name) => name !== "main");
const sweep = (options: { olderThanMs?: number; now?: () => number } = { olderThanMs: -1 }) =>
  sweepThreadBranches(store, { referenced: branchesInCheckpoints(checkpointer), ...options });

describe("sweepThreadBranches", () => {
  it("drops what a crashed run left and keeps what any checkpoint names", async () => {
    const agent = make(add("Ada lives in Oslo."), "Noted.", add("Ada moved to Bergen."), "Noted.", "Oslo.");
    await agent.invoke(says("1"), ada("t1"));
    const then = await agent.getState(ada("t1"));
    await agent.invoke(says("2"), ada("t1"));
    const past = await agent.invoke(says("3"), { ...then.config, context: { user_id: "ada" } });
    const needed = await names();
    expect(needed).toHaveLength(2);
    // As a run leaves it that was killed after it had begun its branch.
    await store.fork(`${needed[0]?.slice(0, -8)}00000000`);
    await store.fork("thread-of-a-person");
    await store.fork("experiment");

    expect(await sweep({})).toEqual([]);
    expect(await sweep({ now: () => Date.now() + 2 * 86_400_000 })).toEqual([
      `${needed[0]?.slice(0, -8)}00000000`,
    ]);
    expect(await names()).toEqual([...needed, "thread-of-a-person", "experiment"]);
    expect(await contents(await store.branch(past.ltmVersion?.branch as string))).toEqual([
      "Ada lives in Oslo.",
    ]);
  });

  it("drops the branches of deleted threads, and not while a copy refers to them", async () => {
    const agent = make(add("Ada lives in Oslo."), "Noted.", add("Ada plays chess."), "Noted.");
    await agent.invoke(says("1"), ada("t1"));
    await agent.updateState(ada("t2"), (await agent.getState(ada("t1"))).values, "answer");
    // Refers to the branch of t1 and begins its own at the next run only.
    await checkpointer.deleteThread("t1");
    expect(await sweep()).toEqual([]);
    const copy = await agent.invoke(says("2"), ada("t2"));
    expect(await names()).toHaveLength(2);
    await checkpointer.deleteThread("t2");
    expect(await sweep()).toHaveLength(2);
    await expect(store.branch(copy.ltmVersion?.branch as string)).rejects.toMatchObject({
      code: "AGEMEM_STORE_BRANCH",
    });
  });
});

describe("discardThreadBranches", () => {
  it("forgets one thread; a copy keeps what it had seen, also after a vacuum", async () => {
    const agent = make(add("Ada lives in Oslo."), "Noted.", add("Ada plays chess."), "Noted.");
    await agent.invoke(says("1"), ada("t1"));
    await agent.updateState(ada("t2"), (await agent.getState(ada("t1"))).values, "answer");
    const copy = await agent.invoke(says("2"), ada("t2"));
    const gone = await discardThreadBranches(store, "t1");
    expect(gone).toHaveLength(1);
    await store.vacuum();
    expect(await names()).toEqual([copy.ltmVersion?.branch]);
    expect(await contents(await store.branch(copy.ltmVersion?.branch as string))).toEqual([
      "Ada lives in Oslo.",
      "Ada plays chess.",
    ]);
    expect(await discardThreadBranches(store, "t1")).toEqual([]);
  });

  it("leaves a thread that goes on with a clear error", async () => {
    const agent = make(add("Ada lives in Oslo."), "Noted.", "Hm.");
    await agent.invoke(says("1"), ada("t1"));
    await discardThreadBranches(store, "t1");
    await expect(agent.invoke(says("2"), ada("t1"))).rejects.toMatchObject({ code: "AGEMEM_STORE_BRANCH" });
  });
});

describe("branchesInCheckpoints", () => {
  it("names each branch once, of one thread or of all", async () => {
    const agent = make(add("One."), "Noted.", add("Two."), "Noted.");
    const one = await agent.invoke(says("1"), ada("t1"));
    const two = await agent.invoke(says("2"), ada("t2"));
    const list = async (thread?: string) => {
      const found: string[] = [];
      for await (const name of branchesInCheckpoints(checkpointer, thread)) found.push(name);
      return found;
    };
    expect(await list("t1")).toEqual([one.ltmVersion?.branch]);
    expect((await list()).sort()).toEqual([one.ltmVersion?.branch, two.ltmVersion?.branch].sort());
    expect(await list("t3")).toEqual([]);
  });

  it("reads the checkpoints of PostgreSQL, of all threads", async () => {
    const server = await startPostgres();
    const saver = PostgresSaver.fromConnString(server.url);
    try {
      await saver.setup();
      const options = { store, memoryConsistency: "checkpoint" as const, checkpointer: saver };
      const { agent } = scripted([add("One."), "Noted.", add("Two."), "Noted."], options);
      await agent.invoke(says("1"), ada("t1"));
      await agent.invoke(says("2"), ada("t2"));
      const orphan = `${(await names())[0]?.slice(0, -8)}00000000`;
      await store.fork(orphan);
      const needed = { referenced: branchesInCheckpoints(saver), olderThanMs: -1 };
      expect(await sweepThreadBranches(store, needed)).toEqual([orphan]);
      expect(await names()).toHaveLength(2);
    } finally {
      await saver.end();
      await server.close();
    }
  }, 60_000);
});
