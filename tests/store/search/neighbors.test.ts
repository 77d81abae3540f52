/** The share of an item's neighbors in a hybrid score. */
import { describe, expect, it } from "vitest";
import { codeOf, keysOf, LetterEmbeddings, openStore } from "../helpers.js";

const NS = ["conversation"];
const TURNS = ["zzz yyy", "which animal do you like", "tapirs", "mmm nnn", "ooo ppp"];

async function conversation() {
  const store = await openStore(":memory:", {
    index: { embeddings: new LetterEmbeddings(), fields: ["text"], vectorWeight: 0.1 },
  });
  for (const [i, text] of TURNS.entries()) await store.put(NS, `t${i}`, { text, turn: i });
  return store;
}
const asked = { query: "which animal", mode: "hybrid", limit: 5 } as const;

describe("neighbors", () => {
  it("bring the turn beside a hit forward", async () => {
    const store = await conversation();
    const alone = await store.search(NS, asked);
    const found = await store.search(NS, { ...asked, neighbors: 0.4 });
    expect(keysOf(found).slice(0, 3).sort()).toEqual(["t0", "t1", "t2"]);
    expect(found[0]?.key).toBe("t1");
    const scoreOf = (items: typeof found, key: string) => items.find((one) => one.key === key)?.score ?? 0;
    // (1 - 0.4) of its own, and 0.4 of the better neighbor's own.
    expect(scoreOf(found, "t2")).toBeCloseTo(0.6 * scoreOf(alone, "t2") + 0.4 * scoreOf(alone, "t1"), 6);
    expect(found).toHaveLength(alone.length);
  });

  it("are those that the view sees, in the namespace of the item", async () => {
    const store = await conversation();
    await store.put(["other"], "far", { text: "qqq" });
    const fork = await store.fork();
    await fork.delete(NS, "t2");
    const found = await fork.search([], { ...asked, neighbors: 0.4 });
    expect(keysOf(found)).not.toContain("t2");
    const before = await fork.search([], asked);
    const scoreOf = (items: typeof found, key: string) => items.find((one) => one.key === key)?.score ?? 0;
    // On the fork t3 stands beside t1.
    expect(scoreOf(found, "t3")).toBeCloseTo(0.6 * scoreOf(before, "t3") + 0.4 * scoreOf(before, "t1"), 6);
    expect(scoreOf(found, "far")).toBeCloseTo(0.6 * scoreOf(before, "far"), 6);
  });

  it("come back only where they pass the filter", async () => {
    const store = await conversation();
    const found = await store.search(NS, { ...asked, neighbors: 0.4, filter: { turn: { $gte: 2 } } });
    expect(keysOf(found).sort()).toEqual(["t2", "t3", "t4"]);
  });

  it("count less with each step, as far as they reach", async () => {
    const store = await conversation();
    const alone = await store.search(NS, asked);
    const scoreOf = (items: typeof alone, key: string) => items.find((one) => one.key === key)?.score ?? 0;
    const one = await store.search(NS, { ...asked, neighbors: { share: 0.4, reach: 1 } });
    const three = await store.search(NS, { ...asked, neighbors: { share: 0.4, reach: 3 } });
    const hit = scoreOf(alone, "t1");
    for (const [key, distance] of [
      ["t2", 1],
      ["t3", 2],
      ["t4", 3],
    ] as const) {
      expect(scoreOf(three, key)).toBeCloseTo(
        0.6 * scoreOf(alone, key) + 0.4 * 0.7 ** (distance - 1) * hit,
        6,
      );
    }
    expect(scoreOf(one, "t4")).toBeLessThan(scoreOf(three, "t4"));
    // A number reaches two on each side.
    expect(await store.search(NS, { ...asked, neighbors: 0.4 })).toEqual(
      await store.search(NS, { ...asked, neighbors: { share: 0.4, reach: 2 } }),
    );
  });

  it("have a share from 0 to 1", async () => {
    const store = await conversation();
    for (const neighbors of [-0.1, 1.1, Number.NaN, "0.3" as never]) {
      expect(await codeOf(() => store.search(NS, { ...asked, neighbors }))).toBe("AGEMEM_INPUT_ARGUMENT");
    }
    for (const neighbors of [
      null,
      {},
      { share: 2 },
      { share: 0.3, reach: 0 },
      { share: 0.3, reach: 1.5 },
      { share: 0.3, reach: 9 },
    ]) {
      expect(await codeOf(() => store.search(NS, { ...asked, neighbors: neighbors as never }))).toBe(
        "AGEMEM_INPUT_ARGUMENT",
      );
    }
  });
});
