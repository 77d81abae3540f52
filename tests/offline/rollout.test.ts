/** The offline policy in the three stages of a rollout (AgeMem, alg. 3-5), one policy call per message. */
import {
  type AIMessage,
  type BaseMessage,
  HumanMessage,
  SystemMessage,
  ToolMessage,
} from "@langchain/core/messages";
import { describe, expect, it } from "vitest";
import { lexicalSimilarity } from "../../src/models/lexical-embeddings.js";
import { OfflinePolicy } from "../../src/offline/policy.js";
import { TOOLS } from "./world.js";

const system = (share = 10) =>
  new SystemMessage(`You help.\n\nContext: about ${share}% of 8192 tokens used.`);
const EMPTY_BLOCK = '<retrieved_memories query="q" count="0">\n</retrieved_memories>';
const DAVIS =
  "Flute Sonata: The sonata was written in Vienna in 1805. It is dedicated to Anna Davis, who lived in Graz.";
const NOISE =
  "Maha Sona: Maha Sona is a demon in the folklore of Sri Lanka. The name means the greatest demon or the demon of the cemetery. Originally a giant, he was defeated and decapitated in a duel by another giant. He is believed to kill people by crushing their shoulders and also by afflicting illnesses. Traditional exorcism rituals are performed to repel the demon in such cases. The long range patrol units of the army are popularly known as the Maha Sohon brigade, named after this demon. Its deputy commander lost his head in the battle.";
const OTHER =
  "Demon Dice: Demon Dice is a collectible dice game created by Lester Smith and Tim Brown. Each player controls a demon made of thirteen dice that stand for body parts.";

async function act(messages: BaseMessage[], options = {}): Promise<AIMessage> {
  return new OfflinePolicy(options).bindTools(TOOLS).invoke(messages);
}

function answered(call: AIMessage, content: string): BaseMessage[] {
  return [call, new ToolMessage({ content, tool_call_id: call.tool_calls?.[0]?.id ?? "" })];
}

describe("stage 1: passages told, with the memories near them", () => {
  it("stores the passage whole", async () => {
    const response = await act([system(), new HumanMessage(`${DAVIS}\n\n${EMPTY_BLOCK}`)]);
    expect(response.tool_calls?.map((call) => [call.name, call.args.content])).toEqual([
      ["Add_memory", DAVIS],
    ]);
  });

  it("updates the memory about the same title instead of storing it again", async () => {
    const block = EMPTY_BLOCK.replace(
      "\n",
      '\n<memory id="mabc1" type="fact" updated="2026-11-20" score="0.9">Flute Sonata: It has three movements.</memory>\n',
    );
    const response = await act([system(), new HumanMessage(`${DAVIS}\n\n${block}`)]);
    expect(response.tool_calls?.[0]?.name).toBe("Update_memory");
    expect(response.tool_calls?.[0]?.args.memory_id).toBe("mabc1");
    expect(response.tool_calls?.[0]?.args.content).toMatch(/three movements[\s\S]*1805/);
  });

  it("does not end the stage on small talk", async () => {
    const response = await act([system(), new HumanMessage(`Lovely weather.\n\n${EMPTY_BLOCK}`)]);
    expect(response.tool_calls).toHaveLength(1);
  });

  it("different seeds do different things", async () => {
    const done = new Set<string>();
    for (let seed = 0; seed < 16; seed++) {
      const response = await act([system(), new HumanMessage(`${DAVIS}\n\n${EMPTY_BLOCK}`)], {
        seed,
        temperature: 1,
      });
      done.add(JSON.stringify(response.tool_calls?.map((call) => [call.name, call.args.content])));
    }
    expect(done.size).toBeGreaterThanOrEqual(3);
  });
});

describe("stage 2: distractors", () => {
  it("filters a long one by its own words, above the usual threshold for each sentence", async () => {
    const response = await act([system(), new HumanMessage(NOISE)]);
    expect(response.tool_calls?.map((call) => call.name)).toEqual(["Filter_context"]);
    const lines = String(response.tool_calls?.[0]?.args.criteria).split("\n");
    for (const sentence of NOISE.split(/(?<=\.) /)) {
      const best = Math.max(...lines.map((line) => lexicalSimilarity(line, sentence)));
      expect(best, sentence).toBeGreaterThanOrEqual(0.6);
    }
    expect(lines.join(" ").length).toBeLessThan(NOISE.length);
  });

  it("filters a short one when the next message comes, as the newest always stays", async () => {
    const first = await act([system(), new HumanMessage(OTHER)]);
    expect(first.tool_calls?.map((call) => call.name)).toEqual(["Retrieve_memory"]);
    const messages = [
      system(),
      new HumanMessage(OTHER),
      ...answered(first, EMPTY_BLOCK),
      new HumanMessage(NOISE),
    ];
    const second = await act(messages);
    expect(second.tool_calls?.[0]?.name).toBe("Filter_context");
    const lines = String(second.tool_calls?.[0]?.args.criteria).split("\n");
    expect(Math.max(...lines.map((line) => lexicalSimilarity(line, OTHER)))).toBeGreaterThanOrEqual(0.6);
  });

  it("summarizes when they fill the window", async () => {
    const old = Array.from({ length: 5 }, (_, i) => new HumanMessage(`${i} ${NOISE.repeat(3)}`));
    const response = await act([system(70), ...old, new HumanMessage(OTHER)]);
    expect(response.tool_calls?.map((call) => [call.name, call.args.span])).toEqual([
      ["Summary_context", "all"],
    ]);
  });
});

describe("stage 3: the question", () => {
  const QUESTION = "In which city did the woman to whom the Flute Sonata is dedicated live?";
  const block = (content: string, id: string) =>
    `<retrieved_memories query="q" count="1">\n<memory id="${id}" type="fact" updated="2026-11-20" score="0.7">${content}</memory>\n</retrieved_memories>`;

  it("retrieves, follows a name it found, answers with a span", async () => {
    const messages: BaseMessage[] = [system(), new HumanMessage(QUESTION)];
    const first = await act(messages);
    expect(first.tool_calls?.map((call) => call.name)).toEqual(["Retrieve_memory"]);
    messages.push(...answered(first, block("Flute Sonata: It is dedicated to Anna Davis.", "mabc1")));
    const second = await act(messages);
    expect(second.tool_calls?.map((call) => [call.name, call.args.query])).toEqual([
      ["Retrieve_memory", "Anna Davis"],
    ]);
    messages.push(
      ...answered(second, block("Anna Davis: Anna Davis was a patron who lived in Graz.", "mabc2")),
    );
    const third = await act(messages);
    expect(third.tool_calls).toEqual([]);
    expect(third.text).toBe("Graz");
  });

  it("admits that it does not know", async () => {
    const messages: BaseMessage[] = [system(), new HumanMessage(QUESTION)];
    const first = await act(messages);
    const second = await act([...messages, ...answered(first, EMPTY_BLOCK)]);
    expect(second.text).toContain("do not know");
  });
});
