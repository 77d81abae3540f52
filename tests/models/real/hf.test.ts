/** Embeddings on the real all-MiniLM-L6-v2. `npm run test:models` gets it; without it there is nothing to run here. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { resolveEmbeddings } from "../../../src/models/embeddings.js";
import { HfEmbeddings } from "../../../src/models/hf/embeddings.js";
import { LateInteractionReranker } from "../../../src/models/hf/late-interaction.js";
import { FaissStore } from "../../../src/store/faiss-store.js";

const folder = process.env.AGEMEM_TEST_MODELS ?? "";
const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0);

describe("hf: all-MiniLM-L6-v2 from a folder", { timeout: 400_000 }, () => {
  const model = join(folder, "all-MiniLM-L6-v2");

  it("agrees with the original on 200 sentences", async () => {
    const reference = JSON.parse(readFileSync(join(model, "reference.json"), "utf8")) as [string, number[]][];
    const { embeddings, dims } = await resolveEmbeddings(`hf:${model}`);
    const vectors = await embeddings.embedDocuments(reference.map(([text]) => text));
    expect([reference.length, dims]).toEqual([200, 384]);
    expect(
      Math.min(...reference.map(([, original], row) => dot(original, vectors[row] ?? []))),
    ).toBeGreaterThan(0.999);
  });

  it("finds by meaning what shares no word, in a store that keeps its name", async () => {
    const { embeddings, name, dims } = await resolveEmbeddings(`hf:${model}`);
    expect(name).toMatch(/^hf:all-MiniLM-L6-v2@[0-9a-f]{12}$/);
    const store = await FaissStore.open(":memory:", {
      index: {
        embeddings,
        embeddingName: name,
        ...(dims === undefined ? {} : { dims }),
        fields: ["content"],
      },
    });
    await store.put(["m"], "car", { content: "Ada bought an automobile." });
    await store.put(["m"], "tea", { content: "Ada drinks green tea." });
    const [best] = await store.search(["m"], { query: "Which vehicle does she own?", limit: 1 });
    expect(best?.key).toBe("car");
    await store.close();
  });

  it("reranks keyword hits by what they say, token by token", async () => {
    const embeddings = new HfEmbeddings({ model, localOnly: true });
    await using store = await FaissStore.open(":memory:");
    await store.put(["m"], "name", { content: "Ada, Ada! Good to see you, Ada." });
    await store.put(["m"], "home", { content: "Last spring Ada moved into a flat by the sea in Porto." });
    await store.put(["m"], "tea", { content: "Ada drinks green tea." });
    const query = "Which city is Ada's home?";
    const alone = await store.search(["m"], { query, mode: "keyword", limit: 3 });
    expect(alone[0]?.key).toBe("name");
    const rerank = new LateInteractionReranker(embeddings, { share: 1 });
    const found = await store.search(["m"], { query, mode: "keyword", limit: 3, rerank });
    expect(found[0]?.key).toBe("home");
    const [best = 0, , worst = 0] = found.map(({ score }) => score);
    expect(best).toBeGreaterThan(worst);
    expect(best).toBeLessThanOrEqual(1);
    expect((await store.stats()).reranked).toMatchObject({ searches: 1, texts: 3 });
    await embeddings.dispose();
  });
});
