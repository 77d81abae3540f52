/** What `ageMemMiddleware` takes from the agent around it: its model, its prompt, its store's embeddings, its retries. */
import { AIMessage, type BaseMessage, HumanMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { InMemoryStore } from "@langchain/langgraph";
import {
  type AgentMiddleware,
  contextEditingMiddleware,
  createAgent,
  createMiddleware,
  toolRetryMiddleware,
  toolStrategy,
} from "langchain";
import { beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { AgeMemFilterEdit } from "../../../src/agent/middleware/filter-edit.js";
import { ageMemMiddleware } from "../../../src/agent/middleware/middleware.js";
import { LexicalEmbeddings } from "../../../src/models/lexical-embeddings.js";
import { OfflinePolicy } from "../../../src/offline/policy.js";
import { FaissStore } from "../../../src/store/faiss-store.js";
import { ScriptedChatModel } from "../../../src/testing/scripted-model.js";
import { ada, calls, openStore, outcomesOf, says } from "../helpers.js";

let store: FaissStore;
beforeEach(async () => {
  store = await openStore();
  return () => store.close();
});

const page = "The harbour of Oslo was built over many years by many people. ".repeat(25);
const pages = (n: number) => [
  ...Array.from({ length: n }, (_, i) => [
    new HumanMessage({ id: `p${i}`, content: `Page ${i}. ${page}` }),
    new AIMessage({ id: `r${i}`, content: `Read ${i}.` }),
  ]).flat(),
  new HumanMessage({ id: "now", content: "What now?" }),
];

describe("the model that writes summaries", () => {
  it("is the agent's own, for SUMMARY and for the guard", async () => {
    const model = new ScriptedChatModel([
      "The guard's words.",
      calls(["Summary_context", { span: "all" }]),
      "The tool's words.",
      "Done.",
    ]);
    const middleware = [ageMemMiddleware({ store, trigger: { messages: 7 }, keep: { messages: 3 } })];
    const agent = createAgent({ model, middleware });
    const result = await agent.invoke({ messages: pages(3) }, ada("t"));
    model.assertDone();
    expect(model.calls[1]?.messages[1]?.text).toContain("The guard's words.");
    expect(result.messages[0]?.text).toContain("The tool's words.");
    expect(outcomesOf(result.messages)[0]).toMatchObject({
      op: "SUMMARY",
      ok: true,
      auxiliary: { calls: 1 },
    });
  });

  it("is the one that asked for the summary, where another middleware chooses between models", async () => {
    const other = new ScriptedChatModel([
      calls(["Summary_context", { span: "all" }]),
      "Other's words.",
      "Done.",
    ]);
    const choose = createMiddleware({
      name: "choose",
      wrapModelCall: (request, handler) => handler({ ...request, model: other }),
    });
    const unused = new ScriptedChatModel([]);
    const agent = createAgent({ model: unused, middleware: [choose, ageMemMiddleware({ store })] });
    const result = await agent.invoke({ messages: pages(2) }, ada("t"));
    other.assertDone();
    expect(result.messages[0]?.text).toContain("Other's words.");
  });

  it("is the rules beside the rules, and the summarizer where one is given", async () => {
    const agent = createAgent({
      model: new OfflinePolicy(),
      middleware: [ageMemMiddleware({ store, trigger: { messages: 7 }, keep: { messages: 3 } })],
    });
    const result = await agent.invoke({ messages: pages(3) }, ada("t"));
    expect(result.messages[0]?.text).toContain("harbour of Oslo");
    const summarizer = new ScriptedChatModel(["Its words."]);
    const model = new ScriptedChatModel([calls(["Summary_context", { span: "all" }]), "Done."]);
    const given = createAgent({ model, middleware: [ageMemMiddleware({ store, summarizer })] });
    expect((await given.invoke({ messages: pages(2) }, ada("u"))).messages[0]?.text).toContain("Its words.");
  });
});

describe("tokens of the prompt", () => {
  it("are those of the run itself, whatever runs beside it", async () => {
    const release: (() => void)[] = [];
    const waits = new Promise<void>((resolve) => release.push(resolve));
    const model = new ScriptedChatModel([
      async () => {
        await waits;
        return calls(["Add_memory", { content: "Ada lives in Oslo." }]);
      },
      calls(["Add_memory", { content: "Bob lives in Rome." }]),
      "Noted.",
      "Noted.",
    ]);
    const prompts = ["Short.", `Long. ${page}${page}`];
    const system = createMiddleware({
      name: "system",
      contextSchema: z.object({ user_id: z.string(), prompt: z.number() }),
      wrapModelCall: (request, handler) => {
        const text = prompts[(request.runtime.context as { prompt: number }).prompt] as string;
        return handler({ ...request, systemMessage: request.systemMessage.concat(text) });
      },
    });
    const agent = createAgent({ model, middleware: [system, ageMemMiddleware({ store })] });
    const first = agent.invoke(says("Hi."), { context: { user_id: "ada", prompt: 0 } });
    await new Promise((resolve) => setImmediate(resolve));
    const second = await agent.invoke(says("Hi."), { context: { user_id: "bob", prompt: 1 } });
    release[0]?.();
    const [short] = outcomesOf((await first).messages);
    const [long] = outcomesOf(second.messages);
    expect(long?.tokensBefore).toBeGreaterThan((short?.tokensBefore ?? 0) + 500);
  });

  it("are those of the form of a structured answer too, as a tool or as a bare schema", async () => {
    const overhead = async (responseFormat?: object) => {
      const model = new ScriptedChatModel([
        calls(["Retrieve_memory", { query: "x" }]),
        (_, tools) => (responseFormat ? calls([tools.at(-1)?.name as string, { city: "Oslo" }]) : "Done."),
      ]);
      const options = { model, middleware: [ageMemMiddleware({ store })], responseFormat };
      const result: unknown = await createAgent(options as never).invoke(
        says("Hi.") as never,
        ada() as never,
      );
      return (result as { contextOverhead: number }).contextOverhead;
    };
    const form = z.object({ city: z.string().describe("The city where the user lives now.") });
    const plain = await overhead();
    expect(await overhead(toolStrategy(form))).toBeGreaterThan(plain + 10);
    expect(await overhead(form)).toBeGreaterThan(plain + 10);
  });

  it("come with a structured answer although the guard acted in the same call", async () => {
    const model = new ScriptedChatModel([
      "Pages were read.",
      (_, tools) => calls([tools.at(-1)?.name as string, { city: "Oslo" }]),
    ]);
    const agent = createAgent({
      model,
      responseFormat: toolStrategy(z.object({ city: z.string() })),
      middleware: [ageMemMiddleware({ store, trigger: { messages: 7 }, keep: { messages: 3 } })],
    });
    const result = await agent.invoke({ messages: pages(3) }, ada("t"));
    expect(result).toMatchObject({ structuredResponse: { city: "Oslo" } });
    expect(result.messages[0]?.text).toContain("Pages were read.");
  });
});

describe("errors of the application's own tools", () => {
  class Flaky extends Error {}
  const flaky = (failures: number) => {
    const tries = { count: 0 };
    const own = tool(
      async () => {
        if (++tries.count <= failures) throw new Flaky("no signal");
        return "signal";
      },
      { name: "look", description: "", schema: z.object({}) },
    );
    return { own, tries };
  };
  const retry = () => toolRetryMiddleware({ maxRetries: 2, initialDelayMs: 1, retryOn: [Flaky] });
  const run = async (failures: number, order: (memory: unknown, again: unknown) => unknown[]) => {
    const { own, tries } = flaky(failures);
    const model = new ScriptedChatModel([calls(["look", {}]), "Done."]);
    const middleware = order(ageMemMiddleware({ store }), retry()) as AgentMiddleware[];
    const agent = createAgent({ model, tools: [own], middleware });
    const result = (await agent.invoke(says("Hi."), ada() as never)) as { messages: BaseMessage[] };
    return { answer: result.messages[2]?.text, tries: tries.count };
  };

  it.each([
    ["before", (memory: unknown, again: unknown) => [again, memory]],
    ["after", (memory: unknown, again: unknown) => [memory, again]],
  ])("are retried by a toolRetryMiddleware %s this one", async (_, order) => {
    expect(await run(2, order)).toEqual({ answer: "signal", tries: 3 });
    expect(await run(9, order)).toEqual({ answer: expect.stringContaining("failed after 3"), tries: 3 });
  });

  it("are told to the model where nobody else answers them, also when what was thrown is no Error", async () => {
    const { own, tries } = flaky(9);
    const thrown = tool(async () => Promise.reject("a string"), {
      name: "odd",
      description: "",
      schema: z.object({}),
    });
    const model = new ScriptedChatModel([calls(["look", {}], ["odd", {}]), "Sorry."]);
    const agent = createAgent({ model, tools: [own, thrown], middleware: [ageMemMiddleware({ store })] });
    const result = await agent.invoke(says("Hi."), ada());
    expect(tries.count).toBe(1);
    expect(
      result.messages
        .slice(2, 4)
        .map((m) => m.text)
        .join(),
    ).toMatch(/no signal[\s\S]*a string/);
  });
});

describe("embeddings of FILTER", () => {
  /** Everything about weather points one way, all else another: no word need be shared. */
  class Topics extends LexicalEmbeddings {
    override async embedDocuments(texts: string[]): Promise<number[][]> {
      return texts.map((text) => (/rain|sunny|weather/i.test(text) ? [1, 0] : [0, 1]));
    }
    override async embedQuery(text: string): Promise<number[]> {
      return (await this.embedDocuments([text]))[0] as number[];
    }
  }
  const embeddings = new Topics();
  const history = [
    new HumanMessage("It will rain."),
    new AIMessage("I see."),
    new HumanMessage("Where is Oslo?"),
  ];
  const stores = {
    FaissStore: () => FaissStore.open(":memory:", { index: { embeddings, fields: ["content"] } }),
    "a LangGraph store": async () =>
      new InMemoryStore({ index: { embeddings, dims: 2, fields: ["content"] } }),
  };

  it.each(Object.entries(stores))("are those of %s", async (_, open) => {
    const own = await open();
    const model = new ScriptedChatModel([calls(["Filter_context", { criteria: "weather" }]), "North."]);
    const agent = createAgent({ model, middleware: [ageMemMiddleware({ store: own })] });
    const result = await agent.invoke({ messages: [...history] }, ada("t"));
    expect(outcomesOf(result.messages)[0]).toMatchObject({ op: "FILTER", ok: true });
    expect(result.messages[0]?.text).toBe("I see.");
  });

  it("are those of the store for AgeMemFilterEdit too", async () => {
    const own = await stores.FaissStore();
    const model = new ScriptedChatModel(["North."]);
    const edits = [new AgeMemFilterEdit({ store: own, criteria: "weather" })];
    await createAgent({ model, middleware: [contextEditingMiddleware({ edits })] }).invoke(
      { messages: [...history] },
      ada("t"),
    );
    expect(model.calls[0]?.messages.map((m) => m.text)).toEqual(["I see.", "Where is Oslo?"]);
  });
});
