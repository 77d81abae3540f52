/** A search tool over documents beside the memory tools: what is looked up is noise tomorrow, what is learnt is not. */
import { tool } from "@langchain/core/tools";
import { z } from "zod";
import { createAgeMemAgent, FaissStore, LexicalEmbeddings } from "../src/index.js";
import { call, modelOr } from "./model.js";

const embeddings = new LexicalEmbeddings();
const store = await FaissStore.open(":memory:", { index: { embeddings } });
const handbook = [
  "Travel: trains are booked by the office, flights need approval by the team lead.",
  "Holidays: everybody has 30 days a year; they are requested two weeks ahead.",
  "Canteen: the canteen is open from 11:30 to 14:00.",
];
for (const [i, content] of handbook.entries())
  await store.put(["handbook"], String(i), { content }, ["content"]);

const searchHandbook = tool(
  async ({ query }) => {
    const found = await store.search(["handbook"], { query, limit: 1 });
    return found.map((item) => item.value.content).join("\n");
  },
  { name: "search_handbook", description: "Searches the handbook.", schema: z.object({ query: z.string() }) },
);
const agent = createAgeMemAgent({
  model: modelOr([
    {
      tool_calls: [
        { name: "search_handbook", args: { query: "days of holidays a year" } },
        { name: "Add_memory", args: { content: "Ada plans her holidays for August." } },
      ],
    },
    "You have 30 days; ask two weeks before August.",
    call("Retrieve_memory", { query: "When does Ada plan her holidays?" }),
    "In August.",
  ]),
  store,
  tools: [searchHandbook],
});

const ask = (content: string) =>
  agent.invoke({ messages: [{ role: "user", content }] }, { context: { user_id: "ada" } });
console.log((await ask("How many days off do I have? I want them in August.")).finalAnswer);
const { finalAnswer, usage } = await ask("When did I want my holidays?");
console.log(finalAnswer);
console.log(`${usage.policy.calls} model calls, retrieved ${usage.operations.RETRIEVE?.operations} time`);
await store.close();
