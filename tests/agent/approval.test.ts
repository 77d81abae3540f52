import { Command, MemorySaver } from "@langchain/langgraph";
import { beforeEach, describe, expect, it } from "vitest";
import type { ApprovalRequest } from "../../src/agent/approval.js";
import type { FaissStore } from "../../src/store/faiss-store.js";
import { ada, calls, contents, openStore, outcomesOf, says, scripted } from "./helpers.js";

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
    { store, approve: ["DELETE", "UPDATE"], checkpointer: new MemorySaver() },
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

  it("takes any other answer for a no", async () => {
    const { resume } = await start();
    expect((await resume("sure")).outcomes[1]?.error?.code).toBe("AGEMEM_OPERATION_REJECTED");
    expect(await contents(store)).toHaveLength(2);
  });
});
