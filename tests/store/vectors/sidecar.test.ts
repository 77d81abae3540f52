import {
  closeSync,
  copyFileSync,
  ftruncateSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createRandom } from "../../../src/lib/random.js";
import type { FaissStore } from "../../../src/store/faiss-store.js";
import { crc32 } from "../../../src/store/vectors/sidecar/checksum.js";
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
    expect(header.codes).toEqual({ slots: 200, stride: 16, positions: 208, groupBytes: expect.any(Number) });
    const forged = [
      { codes: null },
      { codes: { ...header.codes, slots: 201 } },
      { codes: { ...header.codes, slots: 199 } },
      { codes: { ...header.codes, slots: 200, stride: 8 } },
      { codes: { ...header.codes, slots: 0.5, stride: 6400 } },
      { codes: { ...header.codes, slots: -200, stride: -16 } },
      { codes: { ...header.codes, slots: 1e12 } },
      { codes: { ...header.codes, positions: 207, groupBytes: header.codes.groupBytes + 20 } },
      { codes: { ...header.codes, positions: 1e12 } },
      { codes: { ...header.codes, positions: 208.3, groupBytes: 0 } },
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

  it("of many vectors is searched while they are still in the file, whatever becomes of that", async () => {
    const path = temporaryDirectory();
    // More than a chunk, and one namespace with the rows of all chunks.
    const index = { embeddings: new LetterEmbeddings(8), fields: ["text"] };
    const store = await openStore(path, { index, durability: "normal" });
    const count = 20_000;
    for (let from = 0; from < count; from += 2000) {
      await store.batch(
        Array.from({ length: 2000 }, (_, i) => {
          const vector = Float32Array.from(
            { length: 8 },
            (_, c) => Math.sin((from + i) * (c + 1)) + 0.01 * c,
          );
          return {
            namespace: NS,
            key: `k${from + i}`,
            value: { text: "" },
            vectors: [{ path: "text", vector }],
          };
        }),
      );
    }
    const queries = ["abc", "hello", "zebra", "k"];
    const found = async (of: FaissStore): Promise<unknown> => {
      const all = await Promise.all(queries.map((query) => of.search(NS, { query, limit: 20 })));
      return all.map((hits) => hits.map(({ key, score }) => [key, score]));
    };
    const truth = await found(store);
    await store.checkpoint();
    await store.close();

    const early = await openStore(path, { index });
    expect(await found(early)).toEqual(truth);
    await early.put(NS, "more", { text: "zebra zebra" });
    expect((await early.search(NS, { query: "zebra zebra", limit: 1 }))[0]?.key).toBe("more");
    await early.delete(NS, "more");
    // A checkpoint saves what was not fetched too.
    await early.checkpoint();
    await early.close();
    const again = await openStore(path, { index });
    await again.checkpoint();
    expect(await found(again)).toEqual(truth);
    await again.close();

    const spoiled = await openStore(path, { index });
    const file = join(path, SIDECAR_FILE);
    const size = readFileSync(file).length;
    // In place, under the open store: some vectors become others, and the last ones are gone.
    const descriptor = openSync(file, "r+");
    writeSync(descriptor, Buffer.alloc(4096, 7), 0, 4096, size - 500_000);
    ftruncateSync(descriptor, size - 300_000);
    closeSync(descriptor);
    expect(await found(spoiled)).toEqual(truth);
    // A vacuum drops memory, and closes the file, while a save reads from both.
    const saving = spoiled.checkpoint();
    await Promise.all([spoiled.vacuum(), saving]);
    expect(await found(spoiled)).toEqual(truth);
    await spoiled.close();
    expect(await found(await openStore(path, { index }))).toEqual(truth);
  });

  it("is right when the memory of the vectors grows while it is saved, and while it is read", async () => {
    const path = temporaryDirectory();
    const index = { embeddings: new LetterEmbeddings(8), fields: ["text"] };
    const open = () => openStore(path, { index, durability: "normal" });
    const write = (store: FaissStore, from: number, end: number) =>
      store.batch(
        Array.from({ length: end - from }, (_, i) => {
          const vector = Float32Array.from(
            { length: 8 },
            (_, c) => Math.sin((from + i) * (c + 1)) + 0.01 * c,
          );
          const vectors = [{ path: "text", vector }];
          return { namespace: NS, key: `k${from + i}`, value: { text: "" }, vectors };
        }),
      );
    const found = async (store: FaissStore): Promise<unknown> => {
      const all = await Promise.all(
        ["abc", "hello", "zebra", "k"].map((query) => store.search(NS, { query, limit: 200 })),
      );
      return all.map((hits) => hits.map(({ key, score }) => [key, score]));
    };
    const store = await open();
    await write(store, 0, 17_000);
    const saving = store.checkpoint();
    // Into a new chunk, in small pieces that run between those of the save.
    for (let from = 17_000; from < 25_000; from += 500) await write(store, from, from + 500);
    await saving;
    const truth = await found(store);
    await store.close();
    const again = await open();
    const appended = write(again, 25_000, 34_000);
    expect(await found(again)).not.toEqual([]);
    await appended;
    const grown = await found(again);
    await again.close();
    rmSync(join(path, SIDECAR_FILE));
    const rebuilt = await open();
    expect(grown).toEqual(await found(rebuilt));
    for (let i = 25_000; i < 34_000; i += 1000) {
      await rebuilt.batch(
        Array.from({ length: 1000 }, (_, k) => ({ namespace: NS, key: `k${i + k}`, value: null })),
      );
    }
    expect(truth).toEqual(await found(rebuilt));
  });
});
