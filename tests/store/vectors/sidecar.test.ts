import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createRandom } from "../../../src/lib/random.js";
import { crc32 } from "../../../src/store/vectors/checksum.js";
import { SIDECAR_FILE } from "../../../src/store/vectors/sidecar/sidecar-format.js";
import { keysOf, LetterEmbeddings, openStore, temporaryDirectory } from "../helpers.js";
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

  it("is saved while the store is written to, and fits what was written meanwhile", async () => {
    const path = temporaryDirectory();
    const store = await openStore(path);
    await fill(store, 300, "a");
    const fork = await store.fork("f");
    const saving = Array.from({ length: 3 }, () => store.checkpoint());
    for (let i = 0; i < 20; i++) {
      await store.put(NS, `k${i}`, { text: `meanwhile ${i}` });
      await fork.delete(NS, `k${i * 2}`);
      await store.delete(NS, `k${100 + i}`);
    }
    await Promise.all(saving);
    const [expected, forked] = [await answers(store), await answers(fork)];
    const other = await openStore(path);
    expect(await answers(other)).toEqual(expected);
    expect(await answers(await other.branch("f"))).toEqual(forked);
    expect(await other.verify()).toMatchObject({ ok: true, problems: [] });
  });

  it("is not put in place when a vacuum drops what it was made of", async () => {
    const path = temporaryDirectory();
    const store = await openStore(path);
    await fill(store, 300, "a");
    for (let i = 0; i < 100; i++) await store.delete(NS, `k${i}`);
    await Promise.all([store.checkpoint(), store.vacuum(), store.checkpoint()]);
    const expected = await answers(store);
    expect(await answers(await openStore(path))).toEqual(expected);
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

  it("with codes, damaged anywhere or made to say something else, changes no answer", async () => {
    const path = temporaryDirectory();
    const index = {
      embeddings: new LetterEmbeddings(64),
      fields: ["text"],
      scanBelow: 1,
      kind: "flat" as const,
    };
    const store = await openStore(path, { index });
    await fill(store, 200, "a");
    await store.search(NS, { query: "k7" });
    await store.checkpoint();
    await store.close();
    const file = join(path, SIDECAR_FILE);
    const good = readFileSync(file);
    const found = async (): Promise<string[]> => {
      const again = await openStore(path, { index: { ...index, recall: 0.99 } });
      const keys = keysOf(await again.search(NS, { query: "k7 a", limit: 5 }));
      await again.close();
      return keys;
    };
    const truth = await found();
    const length = good.readUInt32LE(12);
    const header = JSON.parse(good.toString("utf8", 20, 20 + length));
    expect(header.codes).toEqual({ slots: 200, stride: 16, positions: 200, groupBytes: expect.any(Number) });
    const forged = [
      { codes: null },
      { codes: { ...header.codes, slots: 201 } },
      { codes: { ...header.codes, slots: 199 } },
      { codes: { ...header.codes, slots: 200, stride: 8 } },
      { codes: { ...header.codes, slots: 0.5, stride: 6400 } },
      { codes: { ...header.codes, slots: -200, stride: -16 } },
      { codes: { ...header.codes, slots: 1e12 } },
      { codes: { ...header.codes, positions: 199, groupBytes: header.codes.groupBytes + 20 } },
      { codes: { ...header.codes, positions: 1e12 } },
      { codes: { ...header.codes, positions: 200.3, groupBytes: 0 } },
      { codes: { slots: 200, stride: 16 } },
      { dims: 128, size: 100 },
      { size: -1 },
    ].map((change) => {
      const json = Buffer.from(JSON.stringify({ ...header, ...change }));
      const prefix = Buffer.from(good.subarray(0, 20));
      prefix.writeUInt32LE(json.length, 12);
      prefix.writeUInt32LE(crc32(json), 16);
      return Buffer.concat([prefix, json, good.subarray(20 + length)]);
    });
    const random = createRandom("damage");
    const damaged = Array.from({ length: 30 }, () => {
      const bytes = Buffer.from(good);
      const at = Math.floor(random.next() * bytes.length);
      bytes[at] = (bytes[at] as number) ^ (1 + Math.floor(random.next() * 255));
      return random.next() < 0.2 ? bytes.subarray(0, at) : bytes;
    });
    for (const bytes of [...forged, ...damaged]) {
      writeFileSync(file, bytes);
      expect(await found()).toEqual(truth);
    }
  });
});
