/** Users whose labels begin alike, in a store that compares prefixes as text. */
import { InMemoryStore } from "@langchain/langgraph";
import { describe, expect, it } from "vitest";
import { ContextArchive } from "../../../src/context/archive.js";
import type { ArchivedEdit } from "../../../src/context/edit.js";
import { createMemoryOperations } from "../../../src/tools/operations.js";

/** User "1" with two memories beside users "10" to "19" with many that fit better. */
async function crowd(): Promise<InMemoryStore> {
  const store = new InMemoryStore();
  for (let user = 10; user < 20; user++) {
    for (let i = 0; i < 40; i++) {
      const value = { content: "green tea", memory_type: "fact", metadata: { topic: "tea" }, source: {} };
      await store.put(["memories", String(user)], `n${user}-${i}`, value);
    }
  }
  for (const key of ["own1", "own2"]) {
    const value = { content: "green tea", memory_type: "fact", metadata: { topic: "own" }, source: {} };
    await store.put(["memories", "1"], key, value);
  }
  return store;
}

async function call(store: InMemoryStore, tool: string, args: object, limits = {}) {
  const operation = createMemoryOperations({ store, limits }).byName.get(tool);
  if (!operation) throw new Error(`no tool ${tool}`);
  const config = { configurable: { user_id: "1" } };
  const { answer, outcome } = await operation.run({ id: "c1", args, state: { messages: [] }, config });
  return { ...outcome, text: answer.text };
}

describe("users whose names begin alike", () => {
  it("do not push each other out of RETRIEVE", async () => {
    const store = await crowd();
    const found = await call(store, "Retrieve_memory", { query: "green tea", top_k: 3 });
    expect([...found.memoryIds].sort()).toEqual(["own1", "own2"]);
    const filtered = await call(store, "Retrieve_memory", {
      query: "green tea",
      top_k: 1,
      metadata_filter: { topic: "own" },
    });
    expect(filtered.memoryIds).toHaveLength(1);
  });

  it("do not count against each other's limit, hide duplicates or close ids", async () => {
    const store = await crowd();
    const add = await call(store, "Add_memory", { content: "Ada walks at dawn" }, { memories: 3 });
    expect(add).toMatchObject({ ok: true });
    const full = await call(store, "Add_memory", { content: "Ada swims", force: true }, { memories: 2 });
    expect(full.error?.code).toBe("AGEMEM_MEMORY_LIMIT");
    const twin = await call(store, "Add_memory", { content: "Green tea." });
    expect(twin.error?.code).toBe("AGEMEM_MEMORY_DUPLICATE");
    const gone = await call(store, "Update_memory", { memory_id: "own3", content: "x" });
    expect(gone.text).toMatch(/Similar ids: own1, own2/);
  });

  it("do not end the list of a thread's archived edits", async () => {
    const store = new InMemoryStore();
    const own = new ContextArchive(store, "1");
    const neighbor = new ContextArchive(store, "10");
    const edit = { schema: "agemem.edit/1", editId: "e" } as unknown as ArchivedEdit;
    for (let i = 0; i < 1000; i++) await neighbor.save({ ...edit, editId: `n${i}` });
    await own.save(edit);
    const seen = (await own.list()).map(({ editId }) => editId);
    expect(seen).toEqual(["e"]);
  });
});
