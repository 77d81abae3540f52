/**
 * Opens stores with sidecars that say something else and have right checksums: facts, codes, partitions and their pages, header
 * fields, vectors. What such a file says of vectors is believed; but no search fails, none hangs, and what is written is not lost.
 * `npm run test:crash` tries 2,000, a plain test run 40.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createRandom, type Random } from "../../src/lib/random.js";
import type { FaissStore } from "../../src/store/faiss-store.js";
import { bytesOf, crc32 } from "../../src/store/vectors/sidecar/checksum.js";
import { blockSums } from "../../src/store/vectors/sidecar/saved-rows.js";
import { rowBlocks, SIDECAR_FILE } from "../../src/store/vectors/sidecar/sidecar-format.js";
import { LetterEmbeddings, openStore, temporaryDirectory } from "../store/helpers.js";
import { fill, NS, WORDS } from "../store/words.js";

const DIMS = 64;
const ROW_BYTES = DIMS * 4;
const index = {
  embeddings: new LetterEmbeddings(DIMS),
  fields: ["text"],
  scanBelow: 4,
  kind: "flat" as const,
};

it("with right checksums fail no search and lose nothing", { timeout: 1_800_000 }, async () => {
  const runs = Number(
    process.env.AGEMEM_MUTATIONS ?? (process.env.npm_lifecycle_event === "test:crash" ? 2000 : 40),
  );
  const path = temporaryDirectory();
  const store = await openStore(path, { index, durability: "normal" });
  // Enough for partitions; those written after these have pages, and another namespace has none.
  await fill(store, 200, "a");
  await store.search(NS, { query: "walnut" });
  await store.checkpoint();
  await fill(store, 90, "b");
  await store.put(["other"], "o", { text: "lamp" });
  await store.checkpoint();
  const items = await everything(store);
  await store.close();
  const file = join(path, SIDECAR_FILE);
  const good = readFileSync(file);
  const sections = sectionsOf(good);
  expect(sections.map(({ name }) => name)).toEqual(SECTIONS);
  const random = createRandom("forged");
  for (let i = 0; i < runs; i++) {
    const { bytes, what } = forged(good, sections, random);
    writeFileSync(file, bytes);
    const opened = await openStore(path, { index, durability: "normal" });
    const said = `${i}: ${what}`;
    for (const query of WORDS) {
      const found = await opened.search(NS, { query, limit: 8 });
      expect(found.length, said).toBeLessThanOrEqual(8);
      await opened.search(["other"], { query });
    }
    expect(await everything(opened), said).toEqual(items);
    await opened.stats();
    await opened.close();
  }
});

/** All items, which do not depend on the sidecar. */
async function everything(store: FaissStore): Promise<unknown[]> {
  const items = await store.search([], { limit: 1000 });
  return items.map(({ namespace, key, value }) => [namespace, key, value]);
}

interface Section {
  name: string;
  from: number;
  bytes: number;
  /** Size of a number, so that whole numbers can be replaced. */
  each: number;
}

const SECTIONS = [
  ..."version item rev born end ns branch center slots records".split(" "),
  ...["group length", "group header", "group arrays", "sums", "rows"],
];

function sectionsOf(good: Buffer): Section[] {
  const length = good.readUInt32LE(12);
  const { size, codes } = JSON.parse(good.toString("utf8", 20, 20 + length));
  let at = 20 + length;
  const take = (name: string, bytes: number, each: number): Section => {
    at += bytes;
    return { name, from: at - bytes, bytes, each };
  };
  const wide = SECTIONS.slice(0, 5).map((name) => take(name, size * 8, 8));
  const narrow = SECTIONS.slice(5, 7).map((name) => take(name, size * 4, 4));
  const rest = [
    take("center", DIMS * 4, 4),
    take("slots", codes.positions * 4, 4),
    take("records", codes.positions * codes.stride, 1),
  ];
  const said = good.readUInt32LE(at);
  const groups = [
    take("group length", 4, 4),
    take("group header", said, 1),
    take("group arrays", codes.groupBytes - 4 - said, 4),
  ];
  const rows = [take("sums", rowBlocks(size, ROW_BYTES) * 4, 4), take("rows", size * ROW_BYTES, 4)];
  expect(at).toBe(good.length);
  return [...wide, ...narrow, ...rest, ...groups, ...rows];
}

const ODD = [
  0,
  1,
  2,
  3,
  7,
  64,
  255,
  1e6,
  2 ** 31 - 1,
  -1,
  -2,
  -(2 ** 31),
  0.5,
  Number.NaN,
  Infinity,
  -Infinity,
];

/** A header or a section changed here and there, with checksums to match. */
function forged(good: Buffer, sections: readonly Section[], random: Random): { bytes: Buffer; what: string } {
  const length = good.readUInt32LE(12);
  const header = JSON.parse(good.toString("utf8", 20, 20 + length));
  const body = Buffer.from(good.subarray(20 + length));
  let what: string;
  if (random.integer(4) === 0) what = forgeHeader(header, random);
  else {
    const { name, from, bytes, each } = random.pick(sections);
    const start = from - 20 - length;
    const times = 1 + random.integer(8);
    for (let i = 0; i < times; i++) {
      const at = start + random.integer(bytes / each) * each;
      const number = random.pick(ODD);
      const kind = random.integer(3);
      if (each === 1 || kind === 0) body[at + random.integer(each)] = random.integer(256);
      else if (each === 8) body.writeDoubleLE(number, at);
      else if (kind === 1) body.writeInt32LE(Number.isInteger(number) ? number : 5, at);
      else body.writeFloatLE(number, at);
    }
    what = `${name} x${times}`;
  }
  const rowsAt = (sections.at(-1) as Section).from - 20 - length;
  const sums = blockSums(body.subarray(rowsAt), ROW_BYTES);
  // Every other time, checksums of vectors are wrong where these were changed.
  if (random.integer(2) === 0) body.set(bytesOf(Uint32Array.from(sums)), rowsAt - sums.length * 4);
  header.crc = crc32(body.subarray(0, rowsAt));
  const json = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.from(good.subarray(0, 20));
  prefix.writeUInt32LE(json.length, 12);
  prefix.writeUInt32LE(crc32(json), 16);
  return { bytes: Buffer.concat([prefix, json, body]), what };
}

function forgeHeader(header: Record<string, unknown>, random: Random): string {
  const codes = header.codes as Record<string, unknown>;
  const [target, key] =
    random.integer(2) === 0
      ? [codes, random.pick(Object.keys(codes))]
      : [header, random.pick(["lastVersion", "dims", "size", "tips", "overrides", "codes", "quantized"])];
  const value = random.pick([...ODD, null, "x", [], {}, [[1, 2, 3]], [[1]], [["x", null, {}]], true]);
  target[key] = value;
  return `${key} = ${JSON.stringify(value)}`;
}
