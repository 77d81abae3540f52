import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { askForDecision } from "../../../src/evaluation/operations/decide.js";
import { grade } from "../../../src/evaluation/operations/grade.js";
import type { OperationSituation } from "../../../src/evaluation/operations/situation.js";
import { makeSituations } from "../../../src/evaluation/operations/situations.js";
import { LexicalEmbeddings } from "../../../src/models/lexical-embeddings.js";
import { FaissStore } from "../../../src/store/faiss-store.js";
import { ScriptedChatModel } from "../../../src/testing/scripted-model.js";
import { oracle } from "./oracle.js";

let store: FaissStore;
beforeAll(async () => {
  store = await FaissStore.open(":memory:", { index: { embeddings: new LexicalEmbeddings() } });
});
afterAll(() => store.close());

const situations = [
  ...makeSituations({ split: "dev", perKind: 2 }),
  ...makeSituations({ split: "test", perKind: 2 }),
];

describe.each(["native", "text"] as const)("a model that knows, asked by the %s protocol", (protocol) => {
  it.each(situations.map((situation) => [situation.id, situation] as const))(
    "is right in %s, by each of the right moves",
    async (_, situation) => {
      for (const [i, move] of situation.right.entries()) {
        const own = { ...situation, id: `${situation.id}/${protocol}/${i}` };
        const decided = await askForDecision(
          own,
          { model: oracle(situation, protocol, move), protocol },
          store,
        );
        expect(grade(situation, decided)).toMatchObject({ valid: true, rightArguments: true });
      }
    },
  );
});

describe("the choice", () => {
  const of = (kind: string) => situations.find((each) => each.kind === kind) as OperationSituation;
  const asked = async (
    situation: OperationSituation,
    reply: ConstructorParameters<typeof ScriptedChatModel>[0],
  ) => {
    const model = new ScriptedChatModel(reply);
    const decided = await askForDecision(
      { ...situation, id: `${situation.id}/${Math.random()}` },
      { model },
      store,
    );
    return { decided, sent: model.calls[0]?.messages ?? [] };
  };

  it("is made on the product's own prompt and tool answers", async () => {
    const situation = of("changed-shown");
    const { sent } = await asked(situation, ["I see."]);
    expect(sent.map((message) => message.type)).toEqual(["system", "human", "ai", "tool"]);
    expect(sent[0]?.text).toContain("Update_memory");
    expect(sent[3]?.text).toContain(`<memory id="${situation.memories[0]?.id}"`);
  });

  it("is told how full the context is", async () => {
    const { sent } = await asked(of("context-nearly-full"), ["I see."]);
    expect(sent[0]?.text).toMatch(/about (80|90)% of \d+ tokens/);
    const { sent: roomy } = await asked(of("small-talk"), ["Hi."]);
    expect(roomy[0]?.text).toMatch(/about (0|10|20)% of 8192 tokens/);
  });

  it("counts as invalid when only the repair could be read", async () => {
    const situation = of("small-talk");
    const { decided } = await asked(situation, ["", "Hello!"]);
    expect(decided).toMatchObject({ answer: "Hello!", modelCalls: 2 });
    expect(grade(situation, decided)).toMatchObject({ valid: false, move: "INVALID", rightOperation: false });
  });

  it("counts as invalid with an unknown tool or wrong arguments", async () => {
    for (const call of [
      { name: "Save_memory", args: { content: "x" } },
      { name: "Add_memory", args: { text: "x" } },
    ]) {
      const { decided } = await asked(of("new-fact"), [{ tool_calls: [call] }]);
      expect(grade(of("new-fact"), decided).move).toBe("INVALID");
    }
  });

  it("passes a failing model's error on", async () => {
    await expect(asked(of("small-talk"), [new Error("connection refused")])).rejects.toMatchObject({
      code: expect.stringMatching(/^AGEMEM_MODEL_/),
    });
  });
});
