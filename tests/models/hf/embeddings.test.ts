import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HfEmbeddings, type HfModule } from "../../../src/models/hf/embeddings.js";
import { findHfFolder, hfFolderName } from "../../../src/models/hf/folder.js";
import { pool } from "../../../src/models/hf/token-vectors.js";
import { fakeModule } from "./fake-module.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "agemem-hf-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("pool", () => {
  const hidden = { dims: [1, 3, 2], data: [3, 0, 0, 4, 50, 50] };
  const mask = { dims: [1, 3], data: [1, 1, 0] };

  it("takes the mean of the tokens that count, at length 1", () => {
    const [vector] = pool(hidden, mask, "mean");
    expect(vector?.[0]).toBeCloseTo(0.6, 6);
    expect(vector?.[1]).toBeCloseTo(0.8, 6);
  });

  it("takes the first token's with cls", () => {
    expect(pool(hidden, mask, "cls")).toEqual([[1, 0]]);
  });
});

describe("HfEmbeddings", () => {
  it("embeds in batches of texts of like length and answers in the order given", async () => {
    const { module, calls } = fakeModule();
    const embeddings = new HfEmbeddings({ model: "m", module, batchSize: 2 });
    const texts = ["aaaaaaaa", "b", "aa", "bbbbbb"];
    const vectors = await embeddings.embedDocuments(texts);
    expect(calls.map((call) => call.texts)).toEqual([
      ["b", "aa"],
      ["bbbbbb", "aaaaaaaa"],
    ]);
    for (const [row, text] of texts.entries())
      expect(vectors[row]).toEqual(await embeddings.embedQuery(text));
    expect(vectors.map(([first = 0, second = 0]) => first > second)).toEqual([true, false, false, false]);
    expect(await embeddings.embedDocuments([])).toEqual([]);
  });

  it("loads once, also when called at once, and again after a failure", async () => {
    const loads: object[] = [];
    const { module } = fakeModule({ loads });
    const embeddings = new HfEmbeddings({ model: "m", module, localOnly: true, dtype: "q8" });
    await Promise.all([embeddings.embedQuery("a"), embeddings.embedQuery("b")]);
    expect(loads).toEqual([{ local_files_only: true, dtype: "q8" }]);

    let attempts = 0;
    const failing: HfModule = {
      ...module,
      AutoModel: {
        from_pretrained: async (name, options) => {
          if (attempts++ === 0) throw new Error("no such file");
          return module.AutoModel.from_pretrained(name, options);
        },
      },
    };
    const second = new HfEmbeddings({ model: "m", module: failing });
    await expect(second.embedQuery("a")).rejects.toMatchObject({
      code: "AGEMEM_EMBEDDING_FAILED",
      message: expect.stringContaining("no such file"),
    });
    expect(await second.embedQuery("a")).toHaveLength(2);
  });

  it("reads no more tokens than the model has positions, counts longer texts and warns once", async () => {
    const { module, calls } = fakeModule();
    const warnings: string[] = [];
    const listen = (warning: Error & { code?: string }) => warnings.push(warning.code ?? "");
    process.on("warning", listen);
    const embeddings = new HfEmbeddings({ model: "m", module });
    await embeddings.embedDocuments(["a".repeat(14), "b".repeat(15), "c".repeat(99)]);
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", listen);
    expect(embeddings.truncated).toBe(2);
    expect(warnings.filter((code) => code === "AGEMEM_EMBEDDING_TRUNCATED")).toHaveLength(1);
    expect(calls.every((call) => call.max === 16)).toBe(true);
  });

  it("closes a text that is cut short as it closes every text", async () => {
    const { module, calls } = fakeModule();
    const embeddings = new HfEmbeddings({ model: "m", module, maxTokens: 6 });
    await embeddings.embedDocuments(["aa", "bbbb", "ccccccc"]);
    expect(calls[0]?.read).toEqual(["^aa$__", "^bbbb$", "^cccc$"]);
  });

  it("refuses a model that gives no vectors of tokens", async () => {
    const { module } = fakeModule({ outputs: "logits" });
    const embeddings = new HfEmbeddings({ model: "m", module, maxRetries: 0 });
    await expect(embeddings.embedQuery("a")).rejects.toMatchObject({
      code: "AGEMEM_EMBEDDING_FAILED",
      details: { outputs: ["logits"] },
    });
  });
});

describe("a model's folder", () => {
  const write = (path: string, content: unknown) => {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), typeof content === "string" ? content : JSON.stringify(content));
  };

  it("says dimension, pooling and limit", () => {
    write("config.json", { hidden_size: 384 });
    expect(findHfFolder(folder)).toEqual({ path: folder, dims: 384, pooling: "mean", maxTokens: undefined });
    write("1_Pooling/config.json", { pooling_mode_cls_token: true });
    write("sentence_bert_config.json", { max_seq_length: 256 });
    expect(findHfFolder(folder)).toEqual({ path: folder, dims: 384, pooling: "cls", maxTokens: 256 });
  });

  it("is told from a hub's name", () => {
    expect(findHfFolder("Xenova/all-MiniLM-L6-v2")).toBeUndefined();
  });

  it.each(["./nowhere", "/nowhere/at/all", "../nowhere"])("refuses the path %s without a model", (path) => {
    expect(() => findHfFolder(path)).toThrow(expect.objectContaining({ code: "AGEMEM_CONFIG_INVALID" }));
  });

  it.each([
    ["broken JSON", "{", {}],
    ["a pooling nobody here knows", { hidden_size: 2 }, { pooling_mode_mean_tokens: false }],
  ])("refuses %s", (_what, config, pooling) => {
    write("config.json", config);
    write("1_Pooling/config.json", pooling);
    expect(() => findHfFolder(folder)).toThrow(expect.objectContaining({ code: "AGEMEM_CONFIG_INVALID" }));
  });

  it("names its vectors after its weights", async () => {
    write("config.json", {});
    const found = findHfFolder(folder);
    if (!found) throw new Error("no folder");
    await expect(hfFolderName(found)).rejects.toMatchObject({ code: "AGEMEM_CONFIG_INVALID" });
    write("onnx/model.onnx", "weights");
    const name = await hfFolderName(found);
    expect(name).toMatch(new RegExp(`^hf:${basename(folder)}@[0-9a-f]{12}$`));
    write("onnx/model.onnx", "other weights");
    expect(await hfFolderName(found)).not.toBe(name);
  });
});
