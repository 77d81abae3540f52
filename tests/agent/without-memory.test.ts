/** What a model reads where operations are left out: nothing may speak of a memory that is not there. */
import { AIMessage, type BaseMessage, HumanMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { createAgent } from "langchain";
import { beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { ageMemMiddleware } from "../../src/agent/middleware/middleware.js";
import type { FaissStore } from "../../src/store/faiss-store.js";
import { type ScriptedCall, ScriptedChatModel, type ScriptedStep } from "../../src/testing/scripted-model.js";
import { LTM_OPS, type MemoryOp, PAPER_TOOL_NAMES } from "../../src/types.js";
import { ada, calls, openStore, says, scripted } from "./helpers.js";

let store: FaissStore;
beforeEach(async () => {
  store = await openStore();
  return () => store.close();
});

const look = tool(async () => "A harbour.", {
  name: "look",
  description: "Looks around.",
  schema: z.object({ where: z.string() }),
});
const WITHOUT: MemoryOp[] = [];
const WITHOUT_LONG_TERM: MemoryOp[] = ["SUMMARY", "FILTER"];
const WITHOUT_SHORT_TERM: MemoryOp[] = [...LTM_OPS, "RETRIEVE"];
const MEMORY = /memor|retriev|remember|context|summar|budget|tokens|archive|stored?\b/i;
const LONG_TERM = /memor|retriev|remember|long-term|stored?\b/i;
const CONTEXT_CARE = /Summary_context|Filter_context|budget|\d+% of \d+ tokens/;

const page = "The harbour of Oslo was built over many years by many people. ".repeat(25);
const pages = Array.from({ length: 6 }, (_, i) => [
  new HumanMessage({ id: `p${i}`, content: `Page ${i}. ${page}` }),
  new AIMessage({ id: `r${i}`, content: `Read ${i}.` }),
]).flat();
const budget = { maxTokens: 600, responseTokens: 100 };

/** All that a model reads in a call, as it was sent. */
const request = ({ messages, tools }: ScriptedCall): string =>
  JSON.stringify([messages.map(({ content }) => content), tools]);
const texts = (messages: readonly BaseMessage[]): string[] => messages.map(({ text }) => text);

describe("an agent without operations", () => {
  it("sends what the application wrote, its tools, and nothing else", async () => {
    const { agent, model } = scripted([calls(["look", { where: "out" }]), "A harbour."], {
      store,
      operations: WITHOUT,
      systemPrompt: "You are Otto.",
      tools: [look],
    });
    await agent.invoke(says("What is there?"), ada());
    expect(texts(model.calls[0]?.messages ?? [])).toEqual(["You are Otto.", "What is there?"]);
    expect(texts(model.calls[1]?.messages ?? [])).toEqual([
      "You are Otto.",
      "What is there?",
      "",
      "A harbour.",
    ]);
    expect(model.calls.map(({ tools }) => tools.map(({ name }) => name))).toEqual([["look"], ["look"]]);
  });

  it("binds nothing where there is no tool at all, also at the last step", async () => {
    const { agent, model } = scripted(["Hello."], { store, operations: WITHOUT, maxSteps: 1 });
    let bound = 0;
    model.bindTools = () => {
      bound++;
      return model;
    };
    const result = await agent.invoke(says("Hi."), ada());
    expect([bound, result.finalAnswer, model.calls[0]?.tools]).toEqual([0, "Hello.", []]);
  });

  it("explains no call in the tag protocol where nothing can be called, also when it asks again", async () => {
    const { agent, model } = scripted(["Hello", "<think>so</think><answer>Hello</answer>"], {
      store,
      operations: WITHOUT,
      protocol: "text",
    });
    expect((await agent.invoke(says("Hi."), ada())).finalAnswer).toBe("Hello");
    expect(model.calls).toHaveLength(2);
    for (const each of model.calls) {
      expect(request(each)).not.toMatch(MEMORY);
      expect(request(each)).not.toContain("tool");
    }
  });

  it("lists its own tools in the tag protocol, and no others", async () => {
    const { agent, model } = scripted(["<think>so</think><answer>Hello</answer>"], {
      store,
      operations: WITHOUT,
      protocol: "text",
      tools: [look],
    });
    await agent.invoke(says("Hi."), ada());
    const [system = ""] = texts(model.calls[0]?.messages ?? []);
    expect(system.match(/"name":\s*"[^"]+"/g)).toEqual(['"name":"look"', '"name": "look"']);
    expect(system).not.toMatch(MEMORY);
  });

  it.each(["native", "text"] as const)("keeps a context beyond its budget whole (%s)", async (protocol) => {
    const answer = protocol === "text" ? "<think>so</think><answer>Yes</answer>" : "Yes";
    const { agent, model } = scripted([answer], { store, operations: WITHOUT, budget, protocol });
    const result = await agent.invoke({ messages: [...pages, new HumanMessage("Done?")] }, ada());
    expect(texts(model.calls[0]?.messages ?? []).slice(1)).toEqual([...texts(pages), "Done?"]);
    expect(request(model.calls[0] as ScriptedCall)).not.toMatch(MEMORY);
    expect(result.overflows).toBe(1);
  });
});

describe("the middleware without operations", () => {
  const run = async (
    middleware: ReturnType<typeof ageMemMiddleware>[],
    messages: BaseMessage[],
    own = {},
  ) => {
    const model = new ScriptedChatModel([calls(["look", { where: "out" }]), "A harbour."] as ScriptedStep[]);
    await createAgent({ model, middleware, tools: [look], ...own }).invoke({ messages }, ada());
    return model.calls.map(request);
  };

  it.each([
    ["with a system prompt", { systemPrompt: "You are Otto." }],
    ["without one", {}],
  ])("sends what the agent would send without it, %s", async (_, own) => {
    const messages = [...pages, new HumanMessage("What is there?")];
    const memory = ageMemMiddleware({ store, operations: WITHOUT, budget });
    const requests = await run([memory], messages, own);
    expect(requests).toEqual(await run([], messages, own));
    for (const each of requests) expect(each).not.toMatch(MEMORY);
  });

  it("summarizes where it is told to all the same", async () => {
    const summarizer = new ScriptedChatModel(["Six pages."]);
    const trigger = { messages: 5 };
    const memory = ageMemMiddleware({ store, operations: WITHOUT, budget, trigger, summarizer });
    const [first] = await run([memory], [...pages, new HumanMessage("What is there?")]);
    expect(first).toContain("Six pages.");
  });
});

type Capture = (operations: MemoryOp[]) => Promise<ScriptedCall>;
const variants = ["full", "short", "minimal"] as const;
const throughAgent = (promptVariant: (typeof variants)[number], protocol: "native" | "text"): Capture => {
  return async (operations) => {
    const answer = protocol === "text" ? "<think>so</think><answer>Hi</answer>" : "Hi";
    const { agent, model } = scripted([answer], { store, operations, promptVariant, protocol });
    await agent.invoke(says("Hi."), ada());
    return model.calls[0] as ScriptedCall;
  };
};
const throughMiddleware = (promptVariant: (typeof variants)[number]): Capture => {
  return async (operations) => {
    const model = new ScriptedChatModel(["Hi"]);
    const middleware = [ageMemMiddleware({ store, operations, promptVariant })];
    await createAgent({ model, middleware }).invoke(says("Hi."), ada());
    return model.calls[0] as ScriptedCall;
  };
};

describe.each(
  variants.flatMap((variant): [string, Capture][] => [
    [`agent, ${variant}, native`, throughAgent(variant, "native")],
    [`agent, ${variant}, text`, throughAgent(variant, "text")],
    [`middleware, ${variant}`, throughMiddleware(variant)],
  ]),
)("%s", (_, capture) => {
  const named = (text: string) => Object.values(PAPER_TOOL_NAMES).filter((name) => text.includes(name));

  it("speaks of no long-term memory without its operations", async () => {
    const text = request(await capture(WITHOUT_LONG_TERM));
    expect(named(text)).toEqual(["Summary_context", "Filter_context"]);
    expect(text).not.toMatch(LONG_TERM);
    expect(text).toMatch(/\d+% of \d+ tokens/);
  });

  it("speaks of no care for the context without its operations", async () => {
    const text = request(await capture(WITHOUT_SHORT_TERM));
    expect(named(text)).toEqual(["Add_memory", "Update_memory", "Delete_memory", "Retrieve_memory"]);
    expect(text).not.toMatch(CONTEXT_CARE);
  });

  it("speaks of both with all six", async () => {
    const text = request(await capture([...WITHOUT_SHORT_TERM, ...WITHOUT_LONG_TERM]));
    expect(named(text)).toHaveLength(6);
    expect(text).toMatch(/\d+% of \d+ tokens/);
  });
});

it("names the block of summaries where one can be: by SUMMARY, or by the guard", async () => {
  const system = async (onOverflow: "summarize" | "record", operations: MemoryOp[]) => {
    const { agent, model } = scripted(["Hi"], { store, operations, onOverflow });
    await agent.invoke(says("Hi."), ada());
    return model.calls[0]?.messages[0]?.text.includes("<context_summary>");
  };
  expect(await system("record", WITHOUT_SHORT_TERM)).toBe(false);
  expect(await system("summarize", WITHOUT_SHORT_TERM)).toBe(true);
  expect(await system("record", ["SUMMARY"])).toBe(true);
});
