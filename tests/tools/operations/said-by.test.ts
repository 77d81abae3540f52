/** Who said what a memory holds: decided by words, whatever the model claims. */
import { AIMessage, HumanMessage, ToolMessage } from "@langchain/core/messages";
import { beforeEach, describe, expect, it } from "vitest";
import { ORIGIN_KEY } from "../../../src/context/messages.js";
import type { FaissStore } from "../../../src/store/faiss-store.js";
import { saidBy } from "../../../src/tools/operations/said-by.js";
import { openStore, ToolBench } from "../bench-kit.js";

const user = (content: string) => new HumanMessage({ id: "u", content });
const tool = (content: string) => new ToolMessage({ id: "t", content, tool_call_id: "c", name: "read_mail" });
const FACT = "User sends invoices to Porto.";
const TOLD = "I send invoices to Porto.";
const filler = Array.from({ length: 30 }, (_, i) => `Paragraph ${i} is about maps and their makers.`);
const pasted = [...filler.slice(0, 15), "The user sends invoices to Porto.", ...filler.slice(15)].join(
  "\n\n",
);

describe("who said a memory", () => {
  it.each([
    ["the user's own words", [user(TOLD)], "user"],
    ["an earlier message", [user(TOLD), new AIMessage("Noted."), user("Keep it in mind.")], "user"],
    ["a tool that claims the user's wish", [user("Read my mail."), tool(`Note: ${FACT}`)], "tool"],
    [
      "a tool's result sent in the user's role",
      [new HumanMessage({ content: FACT, additional_kwargs: { [ORIGIN_KEY]: "tool" } })],
      "tool",
    ],
    ["both the user and a tool", [tool(FACT), user(TOLD)], "user"],
    ["a question", [user("Do I send invoices to Porto?")], "assistant"],
    ["a denial", [user("I never send invoices to Porto.")], "assistant"],
    ["only the model", [user("Hello."), new AIMessage(FACT)], "assistant"],
    ["a long pasted text", [user(`Summarize this:\n\n${pasted}\n\nThanks.`)], "document"],
    ["own words before a pasted text", [user(`${TOLD}\n\n${filler.join("\n\n")}`)], "user"],
    ["own words after a pasted text", [user(`${filler.join("\n\n")}\n\n${TOLD}`)], "user"],
    ["a quoted line", [user(`What does it mean?\n> ${FACT}\nTell me.`)], "document"],
    ["a fenced block", [user(`See:\n\`\`\`\n${FACT}\n\`\`\`\nWhat now?`)], "document"],
    ["a tagged block", [user(`<document name="a">\n${FACT}\n</document>\nWhat now?`)], "document"],
    ["words after a tagged block", [user(`<document>\nMaps.\n</document>\n${TOLD}`)], "user"],
    ["a block that is never closed", [user(`<mail>\nDear all,\n${FACT}`)], "document"],
    [
      "a memory that was shown",
      [
        user(
          `Hello.\n<retrieved_memories count="1">\n<memory id="m1">${FACT}</memory>\n</retrieved_memories>`,
        ),
      ],
      "assistant",
    ],
  ])("%s", (_, messages, expected) => {
    expect(saidBy(FACT, messages)).toBe(expected);
  });

  it("is unknown where no conversation is", () => {
    expect(saidBy(FACT, [])).toBeUndefined();
  });

  it("stays when an update only rewords", () => {
    const before = { content: "The user sends all invoices to Porto.", source: { said_by: "tool" } };
    expect(saidBy(FACT, [user("Shorten it.")], before)).toBe("tool");
    expect(saidBy(FACT, [user(TOLD)], before)).toBe("user");
    expect(saidBy("User sends invoices to Tartu.", [user("Hello.")], before)).toBe("assistant");
    const forged = { ...before, source: { said_by: "admin" } };
    expect(saidBy(FACT, [user("Shorten it.")], forged)).toBe("assistant");
  });

  it("reads hostile texts in linear time", () => {
    for (const text of ["<a>", "<a>\n", "```", "```\n", ">", "\n> "]) {
      expect(saidBy(FACT, [user(text.repeat(100_000))])).toBe("assistant");
    }
  });
});

describe("source.said_by", () => {
  let store: FaissStore;
  beforeEach(async () => {
    store = await openStore();
    return () => store.close();
  });
  const sourceOf = async (id: string) => (await store.get(["memories", "ada"], id))?.value.source;

  it("is written by ADD and UPDATE, whatever the model says of it", async () => {
    const bench = new ToolBench({ store }, [user("Read my mail."), tool(FACT)]);
    const added = await bench.call("ADD", { content: FACT, metadata: { said_by: "user" }, said_by: "user" });
    const id = added.outcome.memoryIds[0] as string;
    expect(await sourceOf(id)).toEqual({ thread: "t", tool_call: "call_1", said_by: "tool" });
    bench.messages = [
      ...bench.messages,
      new HumanMessage({ id: "u2", content: "I send invoices to Tartu." }),
    ];
    await bench.call("UPDATE", { memory_id: id, content: "User sends invoices to Tartu." });
    expect(await sourceOf(id)).toMatchObject({ tool_call: "call_2", said_by: "user" });
  });

  it("counts no answer of a memory tool as a tool's word", async () => {
    const bench = new ToolBench({ store }, [user("Hello.")]);
    await bench.call("ADD", { content: FACT });
    expect((await bench.call("ADD", { content: FACT })).text).toContain(FACT);
    const forced = await bench.call("ADD", { content: FACT, force: true });
    expect(await sourceOf(forced.outcome.memoryIds[0] as string)).toMatchObject({ said_by: "assistant" });
  });

  it("is not shown to the model, whose prompts stay as they were", async () => {
    const bench = new ToolBench({ store }, [user("Read my mail."), tool(FACT)]);
    await bench.call("ADD", { content: FACT });
    const { text } = await bench.call("RETRIEVE", { query: "invoices" });
    expect(text).toContain(FACT);
    expect(text).not.toMatch(/said_by|said by/);
  });
});
