/** Two threads on one memory: the one that comes second is told, and overwrites nothing it has not read. */
import { AIMessage, type BaseMessage, HumanMessage } from "@langchain/core/messages";
import { InMemoryStore } from "@langchain/langgraph";
import { createAgent } from "langchain";
import { beforeEach, describe, expect, it } from "vitest";
import { ageMemMiddleware } from "../../../src/agent/middleware/middleware.js";
import type { FaissStore } from "../../../src/store/faiss-store.js";
import { ScriptedChatModel, type ScriptedStep } from "../../../src/testing/scripted-model.js";
import { ada, calls, contents, openStore, outcomesOf, says, scripted } from "../../agent/helpers.js";

let store: FaissStore;
const home = ["memories", "ada"];
beforeEach(async () => {
  store = await openStore();
  await store.put(home, "m0", { content: "Ada lives in Oslo." }, ["content"]);
  return () => store.close();
});

const look = calls(["Retrieve_memory", { query: "Where does Ada live?" }]);
const update = (content: string): ScriptedStep => calls(["Update_memory", { memory_id: "m0", content }]);
const codes = (messages: BaseMessage[]) =>
  outcomesOf(messages).map((outcome) => outcome.error?.code ?? outcome.op);
/** A step that plays `reply` after another run has done its work. */
const meanwhile =
  (work: () => Promise<unknown>, reply: ScriptedStep): ScriptedStep =>
  async () => {
    // A later millisecond than the one the memory was read in.
    await new Promise((resolve) => setTimeout(resolve, 2));
    await work();
    return reply as never;
  };

describe("an UPDATE of a memory that another thread changed meanwhile", () => {
  it("is refused with what the memory says now, and may be decided anew", async () => {
    const other = () =>
      scripted([look, update("Ada lives in Rome."), "Noted."], { store }).agent.invoke(says("2"), ada("t2"));
    const { agent } = scripted(
      [
        look,
        meanwhile(other, update("Ada lives in Oslo, in Grønland.")),
        update("Ada lives in Rome, was in Oslo."),
        "Noted.",
      ],
      { store },
    );
    const { messages } = await agent.invoke(says("1"), ada("t1"));
    expect(codes(messages)).toEqual(["RETRIEVE", "AGEMEM_MEMORY_CHANGED", "UPDATE"]);
    expect(messages[4]?.text).toMatch(
      /changed this memory.*<memory id="m0"[^>]*>Ada lives in Rome\.<\/memory>/,
    );
    expect(await contents(store)).toEqual(["Ada lives in Rome, was in Oslo."]);
  });

  it("is refused in createAgent and on a store without versions alike", async () => {
    const plain = new InMemoryStore();
    await plain.put(home, "m0", { content: "Ada lives in Oslo." });
    const make = (steps: ScriptedStep[]) =>
      createAgent({ model: new ScriptedChatModel(steps), middleware: [ageMemMiddleware({ store: plain })] });
    const other = () => make([look, update("Ada lives in Rome."), "Noted."]).invoke(says("2"), ada("t2"));
    const agent = make([look, meanwhile(other, update("Ada lives in Bergen.")), "Noted."]);
    const { messages } = await agent.invoke(says("1"), ada("t1"));
    expect(codes(messages)).toEqual(["RETRIEVE", "AGEMEM_MEMORY_CHANGED"]);
    expect((await plain.get(home, "m0"))?.value.content).toBe("Ada lives in Rome.");
  });

  it("goes through after the run's own writes, within a response and after it", async () => {
    const { agent } = scripted(
      [
        look,
        calls(
          ["Update_memory", { memory_id: "m0", content: "One." }],
          ["Update_memory", { memory_id: "m0", content: "Two." }],
        ),
        meanwhile(async () => undefined, update("Three.")),
        "Noted.",
      ],
      { store },
    );
    const { messages } = await agent.invoke(says("1"), ada("t1"));
    expect(codes(messages)).toEqual(["RETRIEVE", "UPDATE", "UPDATE", "UPDATE"]);
    expect(await contents(store)).toEqual(["Three."]);
  });
});

describe("a DELETE of a memory that another thread changed meanwhile", () => {
  it("is refused, and the memory stays", async () => {
    const other = () =>
      scripted([look, update("Ada lives in Rome."), "Noted."], { store }).agent.invoke(says("2"), ada("t2"));
    const forget = calls(["Delete_memory", { memory_id: "m0", confirmation: true }]);
    const { agent } = scripted([look, meanwhile(other, forget), "Hm."], { store });
    const { messages } = await agent.invoke(says("1"), ada("t1"));
    expect(codes(messages)).toEqual(["RETRIEVE", "AGEMEM_MEMORY_CHANGED"]);
    expect(await contents(store)).toEqual(["Ada lives in Rome."]);
  });
});

describe("ifRevision of a store's put", () => {
  it("writes at the revision that was read and refuses any other, deletions and batches too", async () => {
    const { revision } = store.version();
    await store.put(home, "m0", { content: "Ada lives in Rome." }, ["content"], { ifRevision: revision });
    const late = { content: "Late." };
    const conflict = { code: "AGEMEM_STORE_CONFLICT" };
    await expect(store.put(home, "m0", late, false, { ifRevision: revision })).rejects.toMatchObject(
      conflict,
    );
    await expect(store.put(home, "new", late, false, { ifRevision: revision })).rejects.toMatchObject(
      conflict,
    );
    const deletion = { namespace: home, key: "m0", value: null, ifRevision: revision };
    const batch = [{ namespace: home, key: "m1", value: late }, deletion];
    await expect(store.batch(batch)).rejects.toMatchObject(conflict);
    expect(await contents(store)).toEqual(["Ada lives in Rome."]);
    await store.put(home, "m2", late, false, { ifRevision: 0 });
    await expect(store.put(home, "m2", late, false, { ifRevision: 0 })).rejects.toMatchObject(conflict);
    await expect(store.put(home, "m2", late, false, { ifRevision: 1.5 })).rejects.toMatchObject({
      code: "AGEMEM_INPUT_ARGUMENT",
    });
  });
});

describe("the limit of deletions", () => {
  const fill = async (n: number) => {
    for (let i = 1; i < n; i++) await store.put(home, `m${i}`, { content: `Fact ${i} of Ada.` }, ["content"]);
  };
  const forget = (...ids: number[]) =>
    calls(
      ...ids.map((i): [string, Record<string, unknown>] => [
        "Delete_memory",
        { memory_id: `m${i}`, confirmation: true },
      ]),
    );

  it("ends a run that deletes everything, and a new message of the user allows more", async () => {
    await fill(14);
    const { agent } = scripted(
      [forget(0, 1, 2, 3, 4, 5), forget(6, 99, 7, 8, 9, 10, 11), "Ten are gone.", forget(10), "One more."],
      { store },
    );
    const first = await agent.invoke(says("Forget all."), ada());
    const refused = outcomesOf(first.messages).filter((outcome) => !outcome.ok);
    expect(refused.map((outcome) => outcome.error?.code)).toEqual([
      "AGEMEM_MEMORY_NOT_FOUND",
      "AGEMEM_MEMORY_LIMIT",
      "AGEMEM_MEMORY_LIMIT",
    ]);
    expect(await contents(store)).toHaveLength(4);
    const again = [...first.messages, new HumanMessage("Go on.")];
    await agent.invoke({ ...first, messages: again }, ada());
    expect(await contents(store)).toHaveLength(3);
  });

  it("counts calls that run at the same time, and answers that the guard took out", async () => {
    await fill(6);
    const model = new ScriptedChatModel([forget(0, 1), forget(2, 3), "Done."]);
    const summarizer = new ScriptedChatModel(["Two went.", "Two went.", "Two went."]);
    const limits = { deletions: 3 };
    const middleware = [
      ageMemMiddleware({ store, summarizer, limits, trigger: { messages: 5 }, keep: { messages: 1 } }),
    ];
    const history = [new HumanMessage("Hi."), new AIMessage("Hello."), new HumanMessage("Forget.")];
    const { messages } = await createAgent({ model, middleware }).invoke({ messages: history }, ada("t"));
    expect(outcomesOf(messages).filter(({ ok }) => !ok)).toMatchObject([
      { op: "DELETE", error: { code: "AGEMEM_MEMORY_LIMIT" } },
    ]);
    expect(summarizer.calls.length).toBeGreaterThan(0);
    expect(await contents(store)).toHaveLength(3);
  });
});
