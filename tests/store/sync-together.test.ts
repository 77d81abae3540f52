/** Writes of `syncTogether`: committed one by one, synced once, and nobody else's sync is saved. */
import { afterEach, expect, it, vi } from "vitest";
import { codeOf, keysOf, openStore, temporaryDirectory, watchCommits } from "./helpers.js";

const NS = ["notes"];

afterEach(() => vi.restoreAllMocks());

it("syncs once for all, and each write sees those before it", async () => {
  const store = await openStore(temporaryDirectory());
  const seen = watchCommits();
  const result = await store.syncTogether(async () => {
    for (let i = 0; i < 8; i++) {
      await store.put(NS, `n${i}`, { text: `${i}` });
      expect(await store.search(NS, { limit: 100 })).toHaveLength(i + 1);
    }
    return "done";
  });
  expect(result).toBe("done");
  expect(seen).toEqual([...Array.from({ length: 8 }, () => "later"), "synced"]);
  await store.put(NS, "after", { text: "after" });
  expect(seen.at(-1)).toBe("synced");
  expect(await store.verify()).toMatchObject({ ok: true, problems: [] });
});

it("syncs what was written before an error, and nothing where nothing was", async () => {
  const store = await openStore(temporaryDirectory());
  const seen = watchCommits();
  const refused = await codeOf(() =>
    store.syncTogether(async () => {
      await store.put(NS, "a", { text: "a" });
      await store.put(NS, "b", { text: "b" }, undefined, { ifRevision: 7 });
    }),
  );
  expect(refused).toBe("AGEMEM_STORE_CONFLICT");
  expect(seen).toEqual(["later", "synced"]);
  expect(keysOf(await store.search(NS, {}))).toEqual(["a"]);
  await store.syncTogether(async () => store.search(NS, {}));
  expect(seen).toHaveLength(2);
});

it("syncs other writes at once, and what shares their transaction", async () => {
  const store = await openStore(temporaryDirectory());
  const seen = watchCommits();
  await Promise.all([
    store.put(NS, "own", { text: "own" }),
    store.syncTogether(() => store.put(NS, "later", { text: "later" })),
    store.fork("own"),
  ]);
  // What shares a synced transaction is synced with it.
  expect(seen).toEqual(["synced"]);
});

it("is about the caller, not about the time", async () => {
  const store = await openStore(temporaryDirectory());
  const seen = watchCommits();
  let release: () => void = () => undefined;
  const asked = new Promise<void>((resolve) => {
    release = resolve;
  });
  const other = asked.then(() => store.put(NS, "other", { text: "other" }));
  await store.syncTogether(async () => {
    await store.put(NS, "first", { text: "first" });
    release();
    await other;
    expect(seen).toEqual(["later", "synced"]);
  });
});

it("changes nothing for a store in memory or without syncs", async () => {
  const seen = watchCommits();
  for (const store of [
    await openStore(":memory:"),
    await openStore(temporaryDirectory(), { durability: "normal" }),
  ]) {
    seen.length = 0;
    await store.syncTogether(() => store.put(NS, "a", { text: "a" }));
    expect(seen).toHaveLength(1);
    expect(await store.get(NS, "a")).not.toBeNull();
  }
});
