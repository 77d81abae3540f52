/** Short notes about people: what is put right replaces a memory, what is taken back is deleted. Wording that no generator of tasks uses. */
import {
  type AIMessage,
  type BaseMessage,
  HumanMessage,
  SystemMessage,
  ToolMessage,
} from "@langchain/core/messages";
import { describe, expect, it } from "vitest";
import { resolveFrom } from "../../src/offline/answers/resolve.js";
import { OfflinePolicy } from "../../src/offline/policy.js";
import { readNote } from "../../src/offline/reading/note.js";
import { TOOLS } from "./world.js";

const system = new SystemMessage("You help.\n\nContext: about 10% of 8192 tokens used.");

function told(text: string, ...memories: [id: string, content: string][]): HumanMessage {
  const shown = memories.map(
    ([id, content]) => `<memory id="${id}" type="fact" updated="2026-11-20">${content}</memory>\n`,
  );
  return new HumanMessage(
    `${text}\n\n<retrieved_memories query="q" count="${shown.length}">\n${shown.join("")}</retrieved_memories>`,
  );
}

async function respond(messages: BaseMessage[], tools = TOOLS): Promise<AIMessage> {
  return new OfflinePolicy().bindTools(tools).invoke(messages);
}

async function callOf(...args: Parameters<typeof told>) {
  const response = await respond([system, told(...args)]);
  expect(response.tool_calls).toHaveLength(1);
  return response.tool_calls?.[0];
}

describe("a note", () => {
  it.each([
    ["a chat line", "I moved to Lisbon last week and my dog loves it."],
    ["a labeled chat line", "Reminder: I have to call my sister tomorrow."],
    ["a question", "Which city does Ada Byrd live in?"],
    ["a list in small letters", "to buy: bread, milk, and a new umbrella for my brother"],
  ])("is not %s", (_, text) => {
    expect(readNote(text)).toBeNull();
  });

  it("keeps what is told of the person and leaves the talk out", () => {
    expect(
      readNote("Ada Byrd: Ada Byrd teaches chess in Oslo. I missed the bus. My tea went cold."),
    ).toMatchObject({
      title: "Ada Byrd",
      facts: ["Ada Byrd teaches chess in Oslo."],
      corrects: false,
      talks: true,
    });
  });
});

describe("stage 1: notes with the memories near them", () => {
  const teaches: [string, string] = ["m1", "Ada Byrd: Ada Byrd teaches chess in Oslo."];
  const cousin: [string, string] = ["m2", "Ada Byrd: Ada Byrd's cousin is Bo Hale."];
  const other: [string, string] = ["m3", "Cy Moss: Cy Moss teaches chess in Oslo."];

  it("stores the fact alone", async () => {
    const made = await callOf("Ada Byrd: Ada Byrd teaches chess in Oslo. I missed the bus.");
    expect(made).toMatchObject({
      name: "Add_memory",
      args: { content: "Ada Byrd: Ada Byrd teaches chess in Oslo." },
    });
  });

  it.each([
    ["Ada Byrd: Ada Byrd no longer teaches chess in Oslo but tennis in Rome."],
    ["Ada Byrd: I was mistaken about this. Ada Byrd teaches tennis in Rome."],
    ["Ada Byrd: Ada Byrd quit teaching in Oslo and teaches tennis in Rome. We had cake."],
  ])("puts the memory right that a note contradicts: %s", async (text) => {
    const made = await callOf(text, other, cousin, teaches);
    expect(made).toMatchObject({ name: "Update_memory", args: { memory_id: "m1" } });
    expect(made?.args.content).toContain("tennis in Rome");
    expect(made?.args.content).not.toContain("cake");
  });

  it("stores another fact beside the first where nothing says that the first is over", async () => {
    const made = await callOf("Ada Byrd: Ada Byrd plays the lute in Rome.", teaches);
    expect(made?.name).toBe("Add_memory");
  });

  it.each([
    ["Ada Byrd: Please ignore what I told you of Ada Byrd and Oslo. That was another Ada."],
    ["Ada Byrd: The chess lessons of Ada Byrd in Oslo never happened."],
  ])("deletes what is taken back: %s", async (text) => {
    const made = await callOf(text, cousin, other, teaches);
    expect(made).toMatchObject({ name: "Delete_memory", args: { memory_id: "m1" } });
  });

  it("takes only its sentence out of a memory that holds more", async () => {
    const both: [string, string] = ["m4", "Ada Byrd: Ada Byrd teaches chess in Oslo. She has two sons."];
    const made = await callOf("Ada Byrd: Ignore that about Ada Byrd and chess.", both);
    expect(made).toMatchObject({
      name: "Update_memory",
      args: { memory_id: "m4", content: "Ada Byrd: She has two sons." },
    });
  });

  it("replaces only the contradicted sentence of a passage", async () => {
    const passage: [string, string] = [
      "m5",
      "Flute Sonata: It was written in Vienna in 1805. It has three movements.",
    ];
    const text = "Flute Sonata: What was said of this is wrong. It was written in Prague in 1805.";
    const made = await callOf(text, passage);
    expect(made?.args.content).toBe(
      "Flute Sonata: It was written in Prague in 1805. It has three movements.",
    );
  });

  it("stores the newer fact where it may not update", async () => {
    const tools = TOOLS.filter(({ name }) => name !== "Update_memory");
    const text = "Ada Byrd: I was mistaken. Ada Byrd teaches tennis in Rome.";
    const response = await respond([system, told(text, teaches)], tools);
    expect(response.tool_calls?.[0]).toMatchObject({ name: "Add_memory" });
  });
});

describe("a question about somebody through somebody else", () => {
  const texts = ["Ada Byrd: Ada Byrd's cousin is Bo Hale.", "Cy Moss is the landlord of Bo Hale."];

  it.each([
    ["Where does Ada Byrd's cousin live?", "Where does Bo Hale live?", "Bo Hale"],
    ["Where does the cousin of Ada Byrd live?", "Where does Bo Hale live?", "Bo Hale"],
    ["Where does Ada Byrd's cousin's landlord live?", "Where does Cy Moss live?", "Cy Moss"],
    ["Where does Ada Byrd live?", "Where does Ada Byrd live?", ""],
  ])("%s", (question, resolved, name) => {
    expect(resolveFrom(question, texts)).toEqual({ question: resolved, name });
  });

  it("ends where two are called each other's", () => {
    const round = ["Ada Byrd's cousin is Bo.", "Bo is Ada Byrd's cousin."];
    expect(resolveFrom("Where does Ada Byrd's cousin live?", round).name).toBe("Bo");
  });

  it.each([
    "Who is Ada Byrd's cousin?",
    "Which person is now the cousin of Ada Byrd?",
    "Who was Ada Byrd's cousin?",
  ])("does not put the answer into the question: %s", (question) => {
    expect(resolveFrom(question, texts)).toEqual({ question, name: "" });
  });

  it("looks the name up that the first look-up gave, and answers with what holds now", async () => {
    const messages: BaseMessage[] = [
      system,
      new HumanMessage("In which city does Ada Byrd's cousin live now?"),
    ];
    const first = await respond(messages);
    expect(first.tool_calls?.[0]?.name).toBe("Retrieve_memory");
    const result = (call: AIMessage, id: string, text: string) =>
      new ToolMessage({
        tool_call_id: call.tool_calls?.[0]?.id ?? "",
        content: `<retrieved_memories query="q" count="1">\n<memory id="${id}" type="fact" updated="2026-11-20">${text}</memory>\n</retrieved_memories>`,
      });
    messages.push(first, result(first, "m1", "Ada Byrd: Ada Byrd's cousin is Bo Hale."));
    const second = await respond(messages);
    expect(second.tool_calls?.[0]?.args.query).toBe("In which city does Bo Hale live now?");
    messages.push(
      second,
      result(second, "m2", "Bo Hale: Last spring Bo Hale left Oslo and settled in Turin."),
    );
    expect((await respond(messages)).text).toBe("Turin");
  });
});
