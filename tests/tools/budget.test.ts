/** The default budget, and that a guess is said. */
import { ChatOpenAI } from "@langchain/openai";
import { createAgent } from "langchain";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createAgeMemAgent } from "../../src/agent/agent.js";
import { ageMemMiddleware } from "../../src/agent/middleware/middleware.js";
import { OfflinePolicy } from "../../src/offline/policy.js";
import { FaissStore } from "../../src/store/faiss-store.js";
import { ScriptedChatModel } from "../../src/testing/scripted-model.js";
import { budgetFor } from "../../src/tools/budget.js";

const openai = (model: string, more = {}) => new ChatOpenAI({ model, apiKey: "none", ...more });

/** A model that says how much it can read, as langchain's own do. */
class Profiled extends ScriptedChatModel {
  override get profile() {
    return { maxInputTokens: 50_000, maxOutputTokens: 4000 };
  }
}

/** A model that nothing is known about. */
class Unknown extends ScriptedChatModel {
  override get profile() {
    return {} as never;
  }
}

let warnings: (Error & { code?: string })[];
const note = (warning: Error) => warnings.push(warning);
beforeEach(() => {
  warnings = [];
  process.on("warning", note);
});
afterEach(() => void process.off("warning", note));
/** Warnings are emitted in the next turn of the event loop. */
const said = async () => {
  await new Promise((resolve) => setImmediate(resolve));
  return warnings.filter(({ code }) => code === "AGEMEM_BUDGET_UNKNOWN").map(({ message }) => message);
};

describe("budgetFor", () => {
  it.each([
    ["window and longest response of the model", {}, openai("gpt-4o-mini"), 128_000, 16_384],
    ["the response the model was set to", {}, openai("gpt-4o-mini", { maxTokens: 500 }), 128_000, 500],
    ["at most half for the response", {}, openai("gpt-4"), 8192, 4096],
    ["a window of one's own", { maxTokens: 20_000 }, openai("gpt-4o-mini"), 20_000, 5000],
    ["a response of one's own", { responseTokens: 900 }, openai("gpt-4o-mini"), 128_000, 900],
    ["a small window of one's own", { maxTokens: 1000 }, undefined, 1000, 250],
    ["the paper's without a model", {}, undefined, 8192, 2048],
    ["the paper's for the rules", {}, new OfflinePolicy(), 8192, 2048],
  ])("takes %s", async (_, given, model, maxTokens, responseTokens) => {
    expect(budgetFor(given, model)).toEqual({ maxTokens, responseTokens });
    expect(await said()).toEqual([]);
  });

  it("says once that a window is not known, and not where a budget was given", async () => {
    const model = new Unknown([], "home-made");
    budgetFor({ maxTokens: 4000 }, model);
    expect(await said()).toEqual([]);
    expect(budgetFor({}, model)).toEqual({ maxTokens: 8192, responseTokens: 2048 });
    budgetFor({}, new Unknown([], "home-made"));
    expect(await said()).toEqual([expect.stringMatching(/"home-made".*8192.*budget: \{ maxTokens \}/)]);
  });
});

describe("the budget of an agent", () => {
  it("is its model's, in createAgeMemAgent and in the middleware", async () => {
    const store = await FaissStore.open(":memory:");
    const run = { context: { user_id: "ada" } };
    const one = new Profiled(["Hello."]);
    await createAgeMemAgent({ model: one, store }).invoke({ messages: ["Hi."] }, run);
    const two = new Profiled(["Hello."]);
    await createAgent({ model: two, middleware: [ageMemMiddleware({ store })] }).invoke(
      { messages: ["Hi."] },
      run,
    );
    for (const { calls } of [one, two]) expect(calls[0]?.messages[0]?.text).toMatch(/of 46000 tokens used/);
    await store.close();
  });
});
