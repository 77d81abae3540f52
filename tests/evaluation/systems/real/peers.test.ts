/** Other projects' memories, really installed, driven by a script in place of a model. `npm run test:baselines`. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ChatBody, ModelProxy } from "../../../../src/evaluation/systems/model-proxy.js";
import { PEERS, type Peer, startPeer } from "../../../../src/evaluation/systems/peers.js";
import { type ProxyReply, scriptedBackend } from "../../../../src/evaluation/systems/proxy-backends.js";
import { LexicalEmbeddings } from "../../../../src/models/lexical-embeddings.js";
import { tokenCounter } from "../../../../src/models/tokens.js";
import { CONVERSATION } from "../conformance.js";

const embeddings = new LexicalEmbeddings();
const environments = process.env.AGEMEM_TEST_BASELINES ?? "";
const FACT = "Runa plays the cello";

function called(name: string, args: object): ProxyReply {
  const call = { name, arguments: JSON.stringify(args) };
  return { tool_calls: [{ id: "c1", type: "function", function: call }] };
}

/** As a good model would answer each memory's prompts. */
function goodModel({ messages, tools = [] }: ChatBody): ProxyReply {
  const text = messages.map(({ content }) => String(content)).join("\n");
  const names = tools.map((tool) => (tool.function as { name: string }).name);
  if (names.includes("Memory") && !text.includes("already stored")) {
    return called("Memory", { content: FACT });
  }
  const [tool] = names;
  if (tool === "extract_entities") {
    const entities = [
      { entity: "Runa", entity_type: "person" },
      { entity: "cello", entity_type: "instrument" },
    ];
    return called(tool, { entities });
  }
  if (tool === "establish_relationships" || tool === "establish_relations") {
    const edge = { source: "Runa", relationship: "plays", destination: "cello" };
    return called(tool, { entities: [edge] });
  }
  if (names.length > 0) return "Nothing to call.";
  if (/structured analysis of/.test(text)) {
    return JSON.stringify({ keywords: ["cello"], context: "Family.", tags: ["family"] });
  }
  if (/memory evolution agent/.test(text)) {
    const neighbor = /memory_id:(\S+)/.exec(text)?.[1];
    const decision = { should_evolve: true, actions: ["strengthen"], tags_to_update: ["linked"] };
    return JSON.stringify({ ...decision, suggested_connections: [neighbor] });
  }
  if (/Memory Extractor/.test(text)) {
    return JSON.stringify({ memory: [{ id: "0", text: FACT, attributed_to: "user" }] });
  }
  if (/smart memory manager/.test(text)) {
    return JSON.stringify({ memory: [{ id: "0", text: FACT, event: "ADD" }] });
  }
  return JSON.stringify({ facts: text.includes("plays the cello") ? [FACT] : [] });
}

/** Where it is not the fact that the model finds. */
const NOTED: Readonly<Record<string, string>> = {
  "a-mem": "[1 May] Ada: My sister Runa plays the cello.; context: Family.; keywords: cello; tags: family",
};

let mode: "good" | "nonsense" | "failing" = "good";
let proxy: ModelProxy;
beforeAll(async () => {
  const reply = (body: ChatBody): ProxyReply => {
    if (mode === "failing") throw new Error("the model is gone");
    return mode === "good" ? goodModel(body) : "Well, who knows {";
  };
  proxy = await ModelProxy.start(scriptedBackend(reply, { embeddings, counter: tokenCounter() }));
});
afterAll(() => proxy.close());

/** Those whose environments the script has installed; without it all. */
const installed = process.env.AGEMEM_TEST_PEERS?.split(",");
const names = Object.keys(PEERS).filter(
  (name) => installed?.includes(PEERS[name]?.environment ?? "") ?? true,
);

describe.each(names)("%s", (name) => {
  let peer: Peer;
  let log = "";
  beforeAll(async () => {
    const dims = (await embeddings.embedQuery("a")).length;
    const onLog = (text: string) => {
      log += text;
    };
    peer = await startPeer({ name, proxy, dims, environments, onLog });
  }, 120_000);
  afterAll(() => peer.stop());

  it("keeps what its model finds, recalls it, and costs calls that are counted", {
    timeout: 120_000,
  }, async () => {
    mode = "good";
    const { system } = peer;
    await system.reset({ user: "ada" });
    const spent = await system.observe(CONVERSATION);
    expect(spent.calls).toBeGreaterThan(0);
    expect(spent.promptTokens).toBeGreaterThan(100);
    const all = (await system.all()).map(({ text }) => text);
    const kept = NOTED[name] ?? FACT;
    expect(all, log.slice(-2000)).toContain(kept);
    const { memories, usage } = await system.recall("Who plays the cello?", { k: 3 });
    expect(memories.map(({ text }) => text)).toContain(kept);
    if (name === "a-mem") {
      // The second note was linked to the first one, and both know their messages.
      expect(all).toContainEqual(expect.stringMatching(/stamps.*tags: linked$/));
      expect(memories[0]?.sources).toEqual(["D1:1"]);
    }
    expect(usage.embeddingCalls).toBeGreaterThan(0);
    const edges = memories.filter(({ text }) => /^runa.*cello$/.test(text));
    expect(edges.length > 0, log.slice(-2000)).toBe(name === "mem0-graph");
    await system.reset({ user: "ben" });
    expect(await system.all()).toEqual([]);
  });

  it("stores nothing of nonsense, and goes on", { timeout: 120_000 }, async () => {
    const { system } = peer;
    await system.reset({ user: "ada" });
    mode = "nonsense";
    // Some memories raise here and some keep nothing; both are results.
    await system.observe(CONVERSATION).catch((error: unknown) => {
      expect(error).toMatchObject({ code: "AGEMEM_SYSTEM_FAILED" });
    });
    // A-Mem keeps every message, and goes without keywords where its model gives none.
    const bare = (await system.all()).filter(({ text }) => !text.endsWith("; context: General"));
    expect(name === "a-mem" ? bare : await system.all()).toEqual([]);
    mode = "good";
    await system.observe(CONVERSATION);
    expect(await system.all()).not.toEqual([]);
  });
});

it("names what is missing, and what there is", async () => {
  const given = { proxy, dims: 3, environments: "/nowhere" };
  await expect(startPeer({ ...given, name: "mem0" })).rejects.toMatchObject({
    code: "AGEMEM_PACKAGE_MISSING",
  });
  await expect(startPeer({ ...given, name: "other" })).rejects.toMatchObject({
    code: "AGEMEM_CONFIG_INVALID",
  });
});
