/** The application's tools beside the memory tools; interrupts, resumes and retries, with every write done once. */
import { tool } from "@langchain/core/tools";
import { Command, InMemoryStore, interrupt, MemorySaver, type Operation } from "@langchain/langgraph";
import { beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { StoreError } from "../../../src/errors.js";
import type { FaissStore } from "../../../src/store/faiss-store.js";
import { ada, calls, contents, openStore, outcomesOf, says, scripted } from "../helpers.js";

let store: FaissStore;
let looked: string[];
beforeEach(async () => {
  store = await openStore();
  looked = [];
  return () => store.close();
});

const look = tool(
  async ({ q }) => {
    looked.push(q);
    return `seen ${q}`;
  },
  { name: "look", description: "Looks.", schema: z.object({ q: z.string() }) },
);
const book = tool(
  async ({ what }) => {
    const answer = interrupt({ question: `Book ${what}?` });
    return answer === "yes" ? `booked ${what}` : "not booked";
  },
  { name: "book", description: "Books.", schema: z.object({ what: z.string() }) },
);
const fail = tool(
  async () => {
    throw new Error("no signal");
  },
  { name: "fail", description: "Fails.", schema: z.object({}) },
);

describe("own tools", () => {
  it("run in the order of the calls, among the memory tools", async () => {
    const { agent } = scripted(
      [
        calls(
          ["look", { q: "1" }],
          ["Add_memory", { content: "Ada." }],
          ["look", { q: "2" }],
          ["Retrieve_memory", { query: "Ada" }],
        ),
        "Done.",
      ],
      { store, tools: [look] },
    );
    const result = await agent.invoke(says("Hi."), ada());
    expect(looked).toEqual(["1", "2"]);
    expect(result.messages.slice(2, 6).map((m) => m.name)).toEqual([
      "look",
      "Add_memory",
      "look",
      "Retrieve_memory",
    ]);
    expect(result.messages[5]?.text).toContain("Ada.");
    expect(result).toMatchObject({ finalAnswer: "Done.", steps: 2 });
  });

  it("that fail or are called wrongly are answered, as LangGraph's ToolNode does", async () => {
    const { agent } = scripted([calls(["fail", {}], ["look", { q: 3 }]), "Sorry."], {
      store,
      tools: [fail, look],
    });
    const result = await agent.invoke(says("Hi."), ada());
    expect(result.messages.slice(2, 4)).toMatchObject([{ status: "error" }, { status: "error" }]);
    expect(result.messages[2]?.text).toContain("no signal");
    expect(looked).toEqual([]);
  });

  it("may update the state with a Command", async () => {
    const set = tool(async () => new Command({ update: { messages: [], finalAnswer: "x" } }), {
      name: "set",
      description: "",
      schema: z.object({}),
    });
    const { agent } = scripted([calls(["set", {}]), "Done."], { store, tools: [set] });
    const result = await agent.invoke(says("Hi."), ada());
    expect(result.finalAnswer).toBe("Done.");
    expect(result.messages.map((m) => m.type)).toEqual(["human", "ai", "tool", "ai"]);
  });
});

describe("a tool with returnDirect", () => {
  const direct = tool(async ({ q }) => (q ? `Here: ${q}.` : Promise.reject(new Error("nothing asked"))), {
    name: "direct",
    description: "Answers.",
    schema: z.object({ q: z.string() }),
    returnDirect: true,
  });

  it("gives the final answer, after the other calls of the response and without another model call", async () => {
    const { agent, model } = scripted(
      [calls(["direct", { q: "a map" }], ["Add_memory", { content: "Ada likes maps." }])],
      { store, tools: [direct] },
    );
    const result = await agent.invoke(says("A map?"), ada());
    expect(result).toMatchObject({ finalAnswer: "Here: a map.", status: "answered", steps: 1 });
    expect(await contents(store)).toEqual(["Ada likes maps."]);
    model.assertDone();
  });

  it("lets the thread go on, also at the last step", async () => {
    const { agent } = scripted([calls(["look", { q: "1" }]), calls(["direct", { q: "a map" }]), "You too."], {
      store,
      tools: [look, direct],
      checkpointer: new MemorySaver(),
      onMaxSteps: "stop",
      maxSteps: 2,
    });
    expect(await agent.invoke(says("A map?"), ada("t"))).toMatchObject({ finalAnswer: "Here: a map." });
    expect(await agent.invoke(says("Thanks."), ada("t"))).toMatchObject({
      finalAnswer: "You too.",
      steps: 1,
    });
  });

  it("that fails goes back to the model", async () => {
    const { agent } = scripted([calls(["direct", { q: "" }]), "Sorry."], { store, tools: [direct] });
    expect(await agent.invoke(says("?"), ada())).toMatchObject({ finalAnswer: "Sorry.", steps: 2 });
  });
});

describe("an interrupt in an own tool", () => {
  it.each([
    [
      "before it",
      [
        ["Add_memory", { content: "Ada wants a boat." }],
        ["book", { what: "a boat" }],
      ],
    ],
    [
      "after it",
      [
        ["book", { what: "a boat" }],
        ["Add_memory", { content: "Ada wants a boat." }],
      ],
    ],
    [
      "around it",
      [
        ["look", { q: "boats" }],
        ["Add_memory", { content: "Ada wants a boat." }],
        ["book", { what: "a boat" }],
        ["Retrieve_memory", { query: "boat" }],
      ],
    ],
  ] as [string, [string, Record<string, unknown>][]][])("runs memory operations %s once", async (_, list) => {
    const { agent, model } = scripted([calls(...list), "Done."], {
      store,
      tools: [look, book],
      checkpointer: new MemorySaver(),
    });
    const stopped = await agent.invoke(says("Get me a boat."), ada("t"));
    expect(stopped).toMatchObject({ status: "running", finalAnswer: null });
    expect(stopped).toMatchObject({ __interrupt__: [{ value: { question: "Book a boat?" } }] });
    const result = await agent.invoke(new Command({ resume: "yes" }), ada("t"));
    expect(result).toMatchObject({ finalAnswer: "Done.", status: "answered" });
    expect(result.messages.slice(2, -1).map((m) => m.name)).toEqual(list.map(([name]) => name));
    expect(result.messages.some((m) => m.text === "booked a boat")).toBe(true);
    expect(await contents(store)).toEqual(["Ada wants a boat."]);
    expect(store.version().revision).toBe(1);
    expect(looked).toHaveLength(list[0]?.[0] === "look" ? 1 : 0);
    model.assertDone();
  });

  it("does not run UPDATE and DELETE before it a second time", async () => {
    const { agent } = scripted(
      [calls(["Add_memory", { content: "A." }], ["Add_memory", { content: "B b." }]), "Noted."],
      { store },
    );
    const [a, b] = outcomesOf((await agent.invoke(says("Hi."), ada())).messages).map((o) => o.memoryIds[0]);
    const next = scripted(
      [
        calls(
          ["Update_memory", { memory_id: a, content: "A2." }],
          ["Delete_memory", { memory_id: b, confirmation: true }],
          ["book", { what: "x" }],
        ),
        "Done.",
      ],
      { store, tools: [book], checkpointer: new MemorySaver() },
    );
    await next.agent.invoke(says("Go."), ada("t"));
    const result = await next.agent.invoke(new Command({ resume: "no" }), ada("t"));
    expect(outcomesOf(result.messages).map((o) => [o.op, o.ok])).toEqual([
      ["UPDATE", true],
      ["DELETE", true],
    ]);
    expect(result.messages.at(-2)?.text).toBe("not booked");
    expect(await contents(store)).toEqual(["A2."]);
    expect(store.version().revision).toBe(4); // two ADD, one UPDATE, one DELETE
  });
});

/** Fails the n-th write of an item, or the first of a text. */
class FlakyStore extends InMemoryStore {
  writes = 0;
  constructor(private failing: number | string) {
    super();
  }
  override async batch<Op extends readonly Operation[]>(operations: Op) {
    if (operations.some((op) => "value" in op && op.value)) {
      this.writes++;
      const named = typeof this.failing === "string" && JSON.stringify(operations).includes(this.failing);
      if (named) this.failing = 0;
      if (named || this.writes === this.failing) throw new StoreError("AGEMEM_STORE_IO", "The disk failed");
    }
    return super.batch(operations);
  }
}

describe("a run that failed halfway", () => {
  it("is raised, and when it is taken up again what was written stays written once", async () => {
    const flaky = new FlakyStore(2);
    const { agent } = scripted(
      [
        calls(
          ["Add_memory", { content: "Ada lives in Oslo." }],
          ["Add_memory", { content: "Ada plays chess." }],
        ),
        "Done.",
      ],
      { store: flaky, checkpointer: new MemorySaver() },
    );
    await expect(agent.invoke(says("Hi."), ada("t"))).rejects.toMatchObject({ code: "AGEMEM_STORE_IO" });
    const result = await agent.invoke(null, ada("t"));
    expect(result).toMatchObject({ finalAnswer: "Done." });
    expect(outcomesOf(result.messages).map((o) => o.ok)).toEqual([true, true]);
    const found = (await flaky.search(["memories", "ada"])).map((item) => item.value.content);
    expect(found).toEqual(["Ada lives in Oslo.", "Ada plays chess."]);
  });

  it("does not take a deletion of its own for the model's mistake", async () => {
    const { agent } = scripted([calls(["Add_memory", { content: "A." }]), "Noted."], { store });
    const id = outcomesOf((await agent.invoke(says("Hi."), ada())).messages)[0]?.memoryIds[0] as string;
    let failures = 1;
    const put = store.put.bind(store);
    store.put = async (...args) => {
      if (failures-- > 0) throw new StoreError("AGEMEM_STORE_IO", "The disk failed");
      return put(...args);
    };
    const next = scripted(
      [
        calls(["Delete_memory", { memory_id: id, confirmation: true }], ["Add_memory", { content: "B." }]),
        "Done.",
      ],
      { store, checkpointer: new MemorySaver() },
    );
    await expect(next.agent.invoke(says("Go."), ada("t"))).rejects.toMatchObject({ code: "AGEMEM_STORE_IO" });
    const result = await next.agent.invoke(null, ada("t"));
    expect(outcomesOf(result.messages).map((o) => [o.op, o.ok])).toEqual([
      ["DELETE", true],
      ["ADD", true],
    ]);
    expect(await contents(store)).toEqual(["B."]);
  });

  it("does not run an own tool before the failure a second time", async () => {
    const flaky = new FlakyStore(2);
    const { agent } = scripted(
      [
        calls(
          ["Add_memory", { content: "Ada lives in Oslo." }],
          ["look", { q: "once" }],
          ["Add_memory", { content: "Ada plays chess." }],
        ),
        "Done.",
      ],
      { store: flaky, tools: [look], checkpointer: new MemorySaver() },
    );
    await expect(agent.invoke(says("Hi."), ada("t"))).rejects.toMatchObject({ code: "AGEMEM_STORE_IO" });
    const result = await agent.invoke(null, ada("t"));
    expect(looked).toEqual(["once"]);
    expect(result.messages.slice(2, -1).map((m) => m.name)).toEqual(["Add_memory", "look", "Add_memory"]);
    expect(result).toMatchObject({ finalAnswer: "Done.", status: "answered" });
  });

  it.each([
    [
      "FaissStore",
      () => store,
      (fails: () => void) => {
        store.put = failing(store.put.bind(store), fails);
      },
    ],
    ["InMemoryStore", () => new FlakyStore("Tartu"), () => undefined],
  ])(
    "does not take a deletion after a write of its own step for the model's mistake: %s",
    async (_, make, arm) => {
      const memories = make();
      const { agent: first } = scripted([calls(["Add_memory", { content: "Ada has a cat." }]), "Noted."], {
        store: memories,
      });
      const [added] = outcomesOf((await first.invoke(says("Hi."), ada())).messages);
      const steps = [
        calls(
          ["Add_memory", { content: "Ada sold her boat to Ben." }],
          ["Delete_memory", { memory_id: added?.memoryIds[0], confirmation: true }],
          ["Add_memory", { content: "The office moved to Tartu." }],
        ),
        "Done.",
      ];
      const { agent } = scripted(steps, { store: memories, checkpointer: new MemorySaver() });
      let puts = 0;
      arm(() => {
        if (++puts === 2) throw new StoreError("AGEMEM_STORE_IO", "The disk failed");
      });
      await expect(agent.invoke(says("Go."), ada("t"))).rejects.toMatchObject({ code: "AGEMEM_STORE_IO" });
      const result = await agent.invoke(null, ada("t"));
      expect(outcomesOf(result.messages).map((o) => [o.op, o.ok, o.error?.code])).toEqual([
        ["ADD", true, undefined],
        ["DELETE", true, undefined],
        ["ADD", true, undefined],
      ]);
    },
  );

  it("still tells the model of an id that it made up, or deleted in an earlier step", async () => {
    for (const memories of [store, new InMemoryStore()]) {
      const { agent: first } = scripted([calls(["Add_memory", { content: "Ada has a cat." }]), "Noted."], {
        store: memories,
      });
      const [added] = outcomesOf((await first.invoke(says("Hi."), ada())).messages);
      const deletion = () => calls(["Delete_memory", { memory_id: added?.memoryIds[0], confirmation: true }]);
      const made = calls(["Delete_memory", { memory_id: "m0", confirmation: true }]);
      const { agent } = scripted([deletion(), deletion(), made, "Done."], { store: memories });
      const result = await agent.invoke(says("Go."), ada());
      expect(outcomesOf(result.messages).map((o) => o.error?.code)).toEqual([
        undefined,
        "AGEMEM_MEMORY_NOT_FOUND",
        "AGEMEM_MEMORY_NOT_FOUND",
      ]);
    }
  });
});

/** The same method, told before each call. */
function failing(put: FaissStore["put"], before: () => void): FaissStore["put"] {
  return async (...args) => {
    before();
    return put(...args);
  };
}
