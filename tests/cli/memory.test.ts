import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { memoryCommand } from "../../src/cli/memory/command.js";
import { resolveEmbeddings } from "../../src/models/embeddings.js";
import { LexicalEmbeddings } from "../../src/models/lexical-embeddings.js";
import { FaissStore } from "../../src/store/faiss-store.js";
import { codeOf, temporaryDirectory } from "../store/helpers.js";

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  process.exitCode = undefined;
});

/** Runs `agemem memory …` and returns what it prints, parsed where it is JSON. */
async function memory(...args: string[]): Promise<unknown> {
  const lines: string[] = [];
  vi.spyOn(console, "log").mockImplementation((line: string) => {
    lines.push(line);
  });
  await memoryCommand().parseAsync(args, { from: "user" });
  return args.includes("--json") ? JSON.parse(lines.join("\n")) : lines.join("\n");
}

async function makeStore(): Promise<string> {
  const path = join(temporaryDirectory(), "store");
  const { embeddings, name, dims } = await resolveEmbeddings("lexical");
  await using store = await FaissStore.open(path, {
    index: { embeddings, embeddingName: name, fields: ["content"], ...(dims ? { dims } : {}) },
  });
  await store.put(["memories", "ada"], "tea", { content: "Ada likes green tea" });
  await store.put(["memories", "ada"], "tea", { content: "Ada likes black tea" });
  await store.put(["memories", "bob"], "dog", { content: "Bob walks his dog" });
  return path;
}

describe("agemem memory", () => {
  it("lists, gets, searches, and shows history", async () => {
    const store = await makeStore();
    expect(await memory("--store", store, "ls")).toBe("memories/ada\nmemories/bob");
    expect(await memory("--store", store, "ls", "memories/ada")).toContain("tea  Ada likes black tea");
    expect(await memory("--store", store, "--json", "get", "memories/ada", "tea")).toMatchObject({
      key: "tea",
    });
    expect(await memory("--store", store, "--json", "search", "dogs")).toMatchObject([
      { key: "dog" },
      { key: "tea" },
    ]);
    expect(await memory("--store", store, "--json", "search", "dogs", "--mode", "keyword")).toHaveLength(1);
    expect(await memory("--store", store, "--json", "history", '["memories","ada"]', "tea")).toHaveLength(2);
    expect(await codeOf(() => memory("--store", store, "get", "memories/ada", "none"))).toBe(
      "AGEMEM_MEMORY_NOT_FOUND",
    );
    expect(await codeOf(() => memory("--store", `${store}-none`, "ls"))).toBe("AGEMEM_INPUT_FILE");
  });

  it("searches a store that an application made with a constructor", async () => {
    for (const dims of [512, 384]) {
      const path = join(temporaryDirectory(), "store");
      const app = await FaissStore.open(path, {
        index: { embeddings: new LexicalEmbeddings({ dims }), fields: ["content"] },
      });
      await app.put(["memories", "ada"], "tea", { content: "Ada likes green tea" });
      await app.close();
      for (const given of [[], ["--embeddings", "lexical"]]) {
        const found = await memory("--store", path, "--json", ...given, "search", "tea");
        expect(found).toMatchObject([{ key: "tea" }]);
      }
    }
  });

  it("finds the store by AGEMEM_STORE in the format of the graphs, and by --store as a bare directory too", async () => {
    const store = await makeStore();
    vi.stubEnv("AGEMEM_STORE", `faiss:${store}`);
    expect(await memory("ls")).toBe("memories/ada\nmemories/bob");
    expect(await memory("--store", `faiss:${store}`, "--json", "repair")).toMatchObject({
      after: { ok: true },
    });
    for (const setting of [store, "", "faiss:", "redis:x", "platform", "postgres://me:hunter2@127.0.0.1/x"]) {
      vi.stubEnv("AGEMEM_STORE", setting);
      const error = await memory("ls").catch((caught: Error) => caught);
      expect(error, setting).toMatchObject({ code: "AGEMEM_CONFIG_INVALID" });
      expect((error as Error).message).not.toContain("hunter2");
      expect(await memory("--store", store, "ls")).toContain("memories/ada");
    }
    vi.stubEnv("AGEMEM_STORE", undefined);
    const error = await memory("ls").catch((caught: Error) => caught);
    expect(error).toMatchObject({ code: "AGEMEM_INPUT_FILE", details: { path: ".agemem/store" } });
  });

  it("exports, imports, backs up, verifies, repairs, vacuums, counts", async () => {
    const store = await makeStore();
    const file = `${store}.jsonl`;
    expect(await memory("--store", store, "--json", "export", file)).toEqual({ exported: 2 });
    expect(await memory("--store", `${store}-2`, "--json", "import", file)).toEqual({
      imported: 2,
      skipped: 0,
    });
    expect(await memory("--store", store, "--json", "backup", `${store}-3`)).toBeTruthy();
    expect(await memory("--store", `${store}-3`, "--json", "verify")).toMatchObject({ ok: true, vectors: 3 });
    expect(await memory("--store", store, "--json", "vacuum")).toMatchObject({ removed: 1 });
    expect(await memory("--store", store, "--json", "repair")).toMatchObject({ after: { ok: true } });
    expect(await memory("--store", store, "--json", "reembed", "--embeddings", "lexical")).toEqual({
      vectors: 2,
    });
    expect(await memory("--store", store, "--json", "stats")).toMatchObject({ items: 2, catchUpLag: 0 });
  });

  it("exports a folder for LangChain and takes one over", async () => {
    const store = await makeStore();
    const folder = `${store}-langchain`;
    await memory(
      "--store",
      store,
      "export",
      folder,
      "--to",
      "langchain-faiss",
      "--namespace",
      "memories/ada",
    );
    expect(existsSync(join(folder, "faiss.index"))).toBe(true);
    const other = `${store}-2`;
    const args = ["import", folder, "--from", "langchain-faiss", "--namespace", "docs"];
    expect(await memory("--store", other, "--json", ...args)).toEqual({ imported: 1 });
    expect(await memory("--store", other, "--json", "search", "tea")).toMatchObject([
      { namespace: ["docs"], key: "tea" },
    ]);
  });
});
