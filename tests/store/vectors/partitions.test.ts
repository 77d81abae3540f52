/** Codes by partition: what searches find with them, after additions and a restart, and how far they look. */
import { describe, expect, it, vi } from "vitest";
import { createRandom, type Random } from "../../../src/lib/random.js";
import type { FaissStore } from "../../../src/store/faiss-store.js";
import { reachFor } from "../../../src/store/vectors/codes/calibrate.js";
import type { CodeGroup } from "../../../src/store/vectors/codes/code-group.js";
import { layOut } from "../../../src/store/vectors/codes/code-layout.js";
import { CodeTable } from "../../../src/store/vectors/codes/code-table.js";
import { Coder, centerOf } from "../../../src/store/vectors/codes/coder.js";
import { restoreGroups, saveGroups } from "../../../src/store/vectors/codes/saved-groups.js";
import { trainPartitions } from "../../../src/store/vectors/codes/train-partitions.js";
import type { SlotScore } from "../../../src/store/vectors/vector-index.js";
import { CodedIndex } from "../../../src/store/vectors/vector-indexes/coded.js";
import { scan } from "../../../src/store/vectors/vector-indexes/flat.js";
import { normalize } from "../../../src/store/vectors/vector-math.js";
import { SEES_ALL, VectorTable } from "../../../src/store/vectors/vector-table.js";
import { keysOf, openStore, temporaryDirectory } from "../helpers.js";

const DIMS = 72;
const LARGE = 1;
const PROMISE = { target: 0.99, widen: 1 };

const normal = (random: Random): number =>
  Array.from({ length: 6 }, () => random.next()).reduce((sum, one) => sum + one, -3);
const isotropic = (random: Random): Float32Array => Float32Array.from({ length: DIMS }, () => normal(random));
const topics = Array.from({ length: 60 }, (_, i) => isotropic(createRandom(`topic/${i}`)));
const aboutTopics = (random: Random): Float32Array =>
  (topics[random.integer(topics.length)] as Float32Array).map((x) => x + 0.7 * normal(random));

function append(table: VectorTable, count: number, make: (random: Random) => Float32Array): void {
  const random = createRandom(`append/${table.size}`);
  for (let i = 0; i < count; i++) {
    const id = table.size + 1;
    // Every tenth slot is of one of two small namespaces.
    const ns = id % 10 === 0 ? 2 + (id % 3) : LARGE;
    table.append({ version: id, item: id, ns, branch: 1, rev: id, endRev: null, born: id }, make(random));
  }
}

function finish<T>(work: Generator<void, T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

const listOf = (table: VectorTable, ns: number): Int32Array => table.slotsOf(ns)?.view() ?? new Int32Array(0);
const lists = (table: VectorTable): Int32Array[] => [LARGE, 2, 3, 4].map((ns) => listOf(table, ns));

/** A table whose large namespace has partitions, with some slots added after the layout. */
function laidOut(make: (random: Random) => Float32Array) {
  const table = new VectorTable(DIMS);
  append(table, 6000, make);
  const plain = new CodeTable(table, new Coder(centerOf(table)));
  plain.cover();
  const partitions = finish(trainPartitions(table, listOf(table, LARGE)));
  const codes = finish(layOut(table, plain, new Map([[LARGE, partitions]])));
  append(table, 900, make);
  codes.cover();
  return { table, codes, group: codes.groups.get(LARGE) as CodeGroup };
}

function calibrate(table: VectorTable, group: CodeGroup): void {
  const slots = listOf(table, LARGE);
  const answered = Array.from({ length: 64 }, (_, i) => {
    const own = slots[i * 80] as number;
    const unit = table.vector(own).slice();
    return { unit, best: scan(table, [slots], unit, 10, (slot) => slot !== own) };
  });
  group.reach = finish(reachFor(table, group, [answered], PROMISE.target));
}

const queries = (make: (random: Random) => Float32Array): Float32Array[] => {
  const random = createRandom("asked");
  return Array.from({ length: 60 }, () => normalize(make(random)));
};

function recallOf(
  table: VectorTable,
  found: (unit: Float32Array) => SlotScore[],
  asked: Float32Array[],
  truth: (unit: Float32Array) => SlotScore[],
) {
  let [hits, wanted] = [0, 0];
  for (const unit of asked) {
    const best = new Map(truth(unit).map(({ slot, score }) => [slot, score]));
    const got = found(unit);
    for (const { slot, score } of got) if (best.has(slot)) expect(score).toBe(best.get(slot));
    hits += got.filter(({ slot }) => best.has(slot)).length;
    wanted += best.size;
  }
  expect(table.size).toBe(6900);
  return hits / wanted;
}

describe("codes by partition", () => {
  it("hold every slot once, those of a partition together", () => {
    const { table, codes, group } = laidOut(aboutTopics);
    const seen: number[] = [];
    for (let partition = 0; partition < group.partitions.count; partition++) {
      let count = 0;
      group.eachRun(partition, (first, length) => {
        for (let position = first; position < first + length; position++) {
          const slot = codes.slots.at(position);
          expect(codes.positions.at(slot)).toBe(position);
          expect(group.partitions.of(table.chunkOf(slot), table.offsetOf(slot))).toBe(partition);
          seen.push(slot);
        }
        count += length;
      });
      expect(count).toBe(group.countOf(partition));
    }
    expect(seen.sort((a, b) => a - b)).toEqual([...listOf(table, LARGE)]);
    expect(group.partitions.count).toBeGreaterThan(20);
  });

  it.each([
    ["about topics", aboutTopics],
    ["isotropic", isotropic],
  ])("keep the promise for vectors %s, in one namespace, in several, and with a filter", (_, make) => {
    const { table, codes, group } = laidOut(make);
    calibrate(table, group);
    const asked = queries(make);
    const odd = (slot: number): boolean => slot % 97 === 1;
    for (const scope of [[listOf(table, LARGE)], lists(table), [listOf(table, 3)]]) {
      for (const [accept, k] of [
        [SEES_ALL, 10],
        [SEES_ALL, 100],
        [odd, 10],
      ] as const) {
        const index = new CodedIndex(table, codes, scope);
        const recall = recallOf(
          table,
          (unit) => index.search(unit, k, accept, PROMISE),
          asked,
          (unit) => scan(table, scope, unit, k, accept),
        );
        expect(recall).toBeGreaterThanOrEqual(0.98);
      }
    }
  });

  it("let a search look at a part only, where the data have order", () => {
    const { table, codes, group } = laidOut(aboutTopics);
    const index = new CodedIndex(table, codes, [listOf(table, LARGE)]);
    const looked = (): number => {
      let sum = 0;
      for (const unit of queries(aboutTopics)) {
        index.search(unit, 1, SEES_ALL, PROMISE);
        sum += codes.kernel.estimated;
      }
      return sum / (60 * index.size);
    };
    expect(looked()).toBe(1);
    calibrate(table, group);
    // The first estimates, 4,096, are two thirds of them.
    expect(looked()).toBeLessThan(0.8);
  });

  it("find all that a filter accepts, however rare", () => {
    const { table, codes, group } = laidOut(aboutTopics);
    calibrate(table, group);
    const index = new CodedIndex(table, codes, [listOf(table, LARGE)]);
    const rare = (slot: number): boolean => slot === 11 || slot === 6801;
    for (const unit of queries(aboutTopics)) {
      expect(index.search(unit, 10, rare, PROMISE)).toEqual(
        scan(table, [listOf(table, LARGE)], unit, 10, rare),
      );
    }
  });

  it("are the same after they were saved, and refused where they do not fit", () => {
    const { table, codes, group } = laidOut(aboutTopics);
    calibrate(table, group);
    const saved = saveGroups(codes);
    const again = (
      groups: Uint8Array,
      change = (slots: Int32Array): Int32Array => slots,
    ): CodeTable | null => {
      const made = new CodeTable(table, codes.coder);
      const slots = change(codes.slots.view().slice());
      const fits = made.restore(slots, codes.kernel.blocks(codes.slots.length).slice(), codes.covered);
      return fits && restoreGroups(made, DIMS, groups, (slot) => table.ns.at(slot)) ? made : null;
    };
    const restored = again(saved) as CodeTable;
    const scope = lists(table);
    for (const unit of queries(aboutTopics)) {
      expect(new CodedIndex(table, restored, scope).search(unit, 10, SEES_ALL, PROMISE)).toEqual(
        new CodedIndex(table, codes, scope).search(unit, 10, SEES_ALL, PROMISE),
      );
    }
    append(table, 500, aboutTopics);
    expect(restored.cover()).toBe(true);
    expect(restored.groups.get(LARGE)?.size).toBe(listOf(table, LARGE).length);
    const random = createRandom("damage");
    for (let i = 0; i < 200; i++) {
      const bytes = saved.slice(0, random.next() < 0.3 ? random.integer(saved.length) : saved.length);
      const at = random.integer(Math.min(bytes.length, 400));
      if (bytes.length > 0) bytes[at] = random.integer(256);
      const made = again(bytes);
      const found =
        made && new CodedIndex(table, made, scope).search(table.vector(0).slice(), 3, SEES_ALL, PROMISE);
      if (found) expect(found.length).toBe(3);
    }
    expect(again(saved, (slots) => slots.fill(0, 5, 6))).toBeNull();
    expect(again(saved, (slots) => slots.fill(-7, 5, 6))).toBeNull();
    expect(again(saved, (slots) => slots.reverse())).toBeNull();
  });
});

describe("a store whose namespaces have partitions", () => {
  const embed = (text: string): number[] => [...aboutTopics(createRandom(text))];
  const embeddings = {
    embedQuery: async (text: string) => embed(text),
    embedDocuments: async (texts: string[]) => texts.map(embed),
  };
  const open = (path: string, index: object): Promise<FaissStore> =>
    openStore(path, {
      durability: "normal",
      index: { embeddings, dims: DIMS, fields: ["text"], embeddingName: "topics", kind: "flat", ...index },
    });

  it("agrees with an exact one on the trunk, a fork and an old version, while it grows and after a restart", async () => {
    const paths = [temporaryDirectory(), temporaryDirectory()] as const;
    let [parts, exact] = [await open(paths[0], { scanBelow: 20 }), await open(paths[1], { recall: "exact" })];
    const both = async (work: (store: FaissStore) => Promise<unknown>): Promise<void> => {
      await work(parts);
      await work(exact);
    };
    let [found, wanted] = [0, 0];
    const compare = async (a: Pick<FaissStore, "search">, b: Pick<FaissStore, "search">): Promise<void> => {
      for (let i = 0; i < 25; i++) {
        for (const [namespace, limit] of [
          [["n", "a"], 10],
          [["n"], 25],
        ] as [string[], number][]) {
          const filter = i % 5 === 0 ? { filter: { even: true } } : {};
          const request = { query: `q${i}`, limit, ...filter };
          const [got, truth] = [await a.search(namespace, request), await b.search(namespace, request)];
          const keys = new Set(keysOf(truth));
          found += keysOf(got).filter((key) => keys.has(key)).length;
          wanted += keys.size;
        }
      }
    };
    const put = (from: number, count: number) => (store: FaissStore) =>
      store.batch(
        Array.from({ length: count }, (_, i) => ({
          namespace: ["n", i % 8 === 0 ? "b" : "a"],
          key: `k${from + i}`,
          value: { text: `t${from + i}`, even: i % 2 === 0 },
        })),
      );
    for (let round = 0; round < 4; round++) {
      await both(put(round * 500, 500));
      await compare(parts, exact);
      await parts.checkpoint();
      await both(async (store) => {
        for (let i = 0; i < 30; i++) await store.delete(["n", "a"], `k${round * 400 + i * 3 + 1}`);
      });
      await compare(parts, exact);
    }
    const olds = [parts.version(), exact.version()] as const;
    await both(put(300, 400));
    await compare(parts.at(olds[0]), exact.at(olds[1]));
    const forks = [await parts.fork("f"), await exact.fork("f")] as const;
    for (const fork of forks) {
      await put(5000, 300)(fork);
      await fork.delete(["n", "a"], "k5001");
    }
    await compare(forks[0], forks[1]);
    await parts.checkpoint();
    await both((store) => store.close());
    [parts, exact] = [await open(paths[0], { scanBelow: 20 }), await open(paths[1], { recall: "exact" })];
    const looked = vi.spyOn(VectorTable.prototype, "scores");
    for (let i = 0; i < 25; i++) await parts.search(["n", "a"], { query: `q${i}`, limit: 5 });
    // The codes were saved, so the searches of the reopened store score a part of the 1,500 vectors.
    const scored = looked.mock.calls.reduce((sum, [, count]) => sum + count, 0);
    expect(scored / 25).toBeLessThan(500);
    looked.mockRestore();
    await compare(parts, exact);
    await compare(await parts.branch("f"), await exact.branch("f"));
    expect(wanted).toBeGreaterThan(5000);
    expect(found / wanted).toBeGreaterThanOrEqual(0.985);
  }, 60_000);
});
