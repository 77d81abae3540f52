import { copyFileSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { SIDECAR_FILE } from "../../../src/store/vectors/sidecar.js";
import { openStore, temporaryDirectory } from "../helpers.js";
import { answers, fill, NS } from "../words.js";

describe("sidecar", () => {
  it("is loaded with forks and what was written after it", async () => {
    const path = temporaryDirectory();
    const store = await openStore(path);
    await fill(store, 30, "a");
    const fork = await store.fork("f");
    await fork.put(NS, "k1", { text: "of the fork" });
    await fork.delete(NS, "k2");
    await store.checkpoint();
    await fill(store, 5, "b");
    const [expected, forked] = [await answers(store), await answers(fork)];
    // Closing a store that is hardly behind leaves the sidecar as it is.
    const before = readFileSync(join(path, SIDECAR_FILE));
    const other = await openStore(path);
    expect(await answers(other)).toEqual(expected);
    expect(await answers(await other.branch("f"))).toEqual(forked);
    expect(other.version()).toEqual(store.version());
    expect(readFileSync(join(path, SIDECAR_FILE)).equals(before)).toBe(true);
  });

  it("of an older state of the database is not used after a restore", async () => {
    const path = temporaryDirectory();
    const old = temporaryDirectory();
    const store = await openStore(path);
    await fill(store, 10, "a");
    await store.checkpoint();
    await store.close();
    copyFileSync(join(path, "memory.db"), join(old, "memory.db"));
    const again = await openStore(path);
    await fill(again, 20, "c");
    await again.checkpoint();
    await again.close();
    copyFileSync(join(path, SIDECAR_FILE), join(old, SIDECAR_FILE));
    const restored = await openStore(old);
    await fill(restored, 25, "d");
    const expected = await answers(restored);
    rmSync(join(old, SIDECAR_FILE));
    expect(await answers(await openStore(old))).toEqual(expected);
  });
});
