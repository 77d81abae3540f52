import { tool } from "@langchain/core/tools";
import { Command, MemorySaver } from "@langchain/langgraph";
import { beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import type { ApprovalRequest } from "../../../src/agent/nodes/approval.js";
import type { FaissStore } from "../../../src/store/faiss-store.js";
import { ada, calls, contents, openStore, outcomesOf, says, scripted } from "../helpers.js";

let store: FaissStore;
let id: string;
beforeEach(async () => {
  store = await openStore();
  const { agent } = scripted([calls(["Add_memory", { content: "Ada lives in Oslo." }]), "Noted."], { store });
  id = outcomesOf((await agent.invoke(says("Hi."), ada())).messages)[0]?.memoryIds[0] as string;
  return () => store.close();
});

const start = async () => {
  const { agent, model } = scripted(
    [
      calls(
        ["Add_memory", { content: "Ada plays chess." }],
        ["Delete_memory", { memory_id: id, confirmation: true }],
        ["Retrieve_memory", { query: "Ada" }],
      ),
      "Done.",
    ],
    { store, interruptOn: { Delete_memory: true, Update_memory: true }, checkpointer: new MemorySaver() },
  );
  const stopped = await agent.invoke(says("Forget where I live."), ada("t"));
  const [interrupt] = (stopped as unknown as { __interrupt__: { value: ApprovalRequest }[] }).__interrupt__;
  const resume = async (answer: unknown) => {
    const result = await agent.invoke(new Command({ resume: answer }), ada("t"));
    model.assertDone();
    return { result, outcomes: outcomesOf(result.messages) };
  };
  return { asked: interrupt?.value, resume };
};

describe("approval", () => {
  it("asks before the operation, with what it would do, and after those before it are done", async () => {
    const { asked } = await start();
    expect(asked).toEqual({
      actionRequests: [
        {
          name: "Delete_memory",
          args: { memory_id: id, confirmation: true },
          description: expect.stringContaining("Delete_memory"),
        },
      ],
      reviewConfigs: [{ actionName: "Delete_memory", allowedDecisions: ["approve", "edit", "reject"] }],
    });
    expect(await contents(store)).toEqual(["Ada lives in Oslo.", "Ada plays chess."]);
  });

  it("runs what is approved, once, and goes on", async () => {
    const { resume } = await start();
    const { result, outcomes } = await resume({ decisions: [{ type: "approve" }] });
    expect(outcomes.map((o) => [o.op, o.ok])).toEqual([
      ["ADD", true],
      ["DELETE", true],
      ["RETRIEVE", true],
    ]);
    expect(result.finalAnswer).toBe("Done.");
    expect(await contents(store)).toEqual(["Ada plays chess."]);
    expect(store.version().revision).toBe(3);
  });

  it("tells the model of a rejection and changes nothing", async () => {
    const { resume } = await start();
    const { result, outcomes } = await resume({ decisions: [{ type: "reject", message: "keep it" }] });
    expect(outcomes[1]).toMatchObject({ ok: false, error: { code: "AGEMEM_OPERATION_REJECTED" } });
    expect(result.messages[3]?.text).toContain("The user refused this call: keep it.");
    expect(await contents(store)).toHaveLength(2);
  });

  it("runs an edited call with the person's arguments", async () => {
    const { resume } = await start();
    const editedAction = { name: "Delete_memory", args: { memory_id: "m0", confirmation: true } };
    const { outcomes } = await resume({ decisions: [{ type: "edit", editedAction }] });
    expect(outcomes[1]?.error?.code).toBe("AGEMEM_MEMORY_NOT_FOUND");
  });

  it.each([
    ["text", "sure", /not a decision/],
    ["an edit without its action", { decisions: [{ type: "edit" }] }, /editedAction/],
    [
      "an edit without arguments",
      { decisions: [{ type: "edit", editedAction: { name: "Delete_memory" } }] },
      /args/,
    ],
    ["no decision", { decisions: [] }, /not a decision/],
    ["two decisions", { decisions: [{ type: "approve" }, { type: "reject" }] }, /not a decision/],
    [
      "an edit into another tool",
      { decisions: [{ type: "edit", editedAction: { name: "Update_memory", args: { content: "x" } } }] },
      /names Update_memory, the one asked about was Delete_memory/,
    ],
  ])("takes any other answer for a no: %s", async (_, answer, why) => {
    const { resume } = await start();
    const { outcomes } = await resume(answer);
    expect(outcomes[1]?.error).toMatchObject({ code: "AGEMEM_OPERATION_REJECTED" });
    expect(outcomes[1]?.error?.message).toMatch(why);
    expect(await contents(store)).toHaveLength(2);
  });

  it("shows what the memory says, with nothing hidden in it", async () => {
    const value = { content: "Ada lives in \u202eOslo.", source: { said_by: "document" } };
    await store.put(["memories", "ada"], id, value, ["content"]);
    const { asked } = await start();
    const shown = asked?.actionRequests[0]?.description;
    expect(shown).toContain(`Memory ${id} says: "Ada lives in &#8238;Oslo." (said by: document, `);
  });

  it("says when there is no such memory", async () => {
    const gone = id;
    await store.delete(["memories", "ada"], gone);
    const { asked } = await start();
    expect(asked?.actionRequests[0]?.description).toContain(`There is no memory ${gone}.`);
  });

  it("does not run what was approved when the memory has changed since the person was asked", async () => {
    const { resume } = await start();
    await store.put(["memories", "ada"], id, { content: "Ada lives in Rome." }, ["content"]);
    const { outcomes } = await resume({ decisions: [{ type: "approve" }] });
    expect(outcomes[1]).toMatchObject({ ok: false, error: { code: "AGEMEM_MEMORY_CHANGED" } });
    expect(await contents(store)).toContain("Ada lives in Rome.");
  });

  it("asks about an own tool by its name, with the decisions that are allowed, and does not run it after a no", async () => {
    let ran = 0;
    const mail = tool(async () => `sent ${++ran}`, { name: "mail", description: "", schema: z.object({}) });
    const run = async (answer: unknown) => {
      const { agent } = scripted([calls(["mail", {}]), "Done."], {
        store,
        tools: [mail],
        interruptOn: { mail: { allowedDecisions: ["approve", "reject"] } },
        checkpointer: new MemorySaver(),
      });
      const stopped = await agent.invoke(says("Mail it."), ada("t"));
      const [asked] = (stopped as unknown as { __interrupt__: { value: ApprovalRequest }[] }).__interrupt__;
      expect(asked?.value.reviewConfigs).toEqual([
        { actionName: "mail", allowedDecisions: ["approve", "reject"] },
      ]);
      return (await agent.invoke(new Command({ resume: answer }), ada("t"))).messages.map((m) => m.text);
    };
    const edit = { type: "edit", editedAction: { name: "mail", args: {} } };
    expect((await run({ decisions: [edit] }))[2]).toContain('the decision "edit" is not allowed');
    expect((await run({ decisions: [{ type: "reject", message: "not now" }] }))[2]).toContain("not now");
    expect(ran).toBe(0);
    expect((await run({ decisions: [{ type: "approve" }] }))[2]).toBe("sent 1");
  });
});
