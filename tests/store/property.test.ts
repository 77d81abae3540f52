/**
 * Random programs against a plain model. `AGEMEM_PROPERTY_SEED` repeats one program, `AGEMEM_PROPERTY_RUNS` sets
 * how many run (default 2,000).
 */
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createRandom, type Random } from "../../src/lib/random.js";
import { FaissStore } from "../../src/store/faiss-store.js";
import type { FaissStoreView } from "../../src/store/store-view.js";
import { loadFaiss } from "../../src/store/vectors/vector-indexes/faiss.js";
import { codeOf, LetterEmbeddings } from "./helpers.js";
import { bm25, cosines, idOf, Model, type ModelBranch, type ModelItem, under } from "./model.js";

const WORDS = ["walnut", "tiger", "orbit", "lamp", "crystal", "zebra"];
const NAMESPACES = [["a"], ["a", "b"], ["a", "bc"], ["d"]];
/** On a machine without FAISS the programs run on the exact index alone. */
const KINDS = loadFaiss() ? (["faiss", "flat"] as const) : (["flat"] as const);
const RUNS = Number(process.env.AGEMEM_PROPERTY_RUNS ?? 2000);

class Program {
  readonly model = new Model();
  readonly handles = new Map<string, FaissStore>();
  readonly log: string[] = [];
  path = "";
  #forks = 0;
  #newest = 0;

  constructor(
    readonly random: Random,
    readonly onDisk: boolean,
    readonly name: string,
  ) {}

  async run(): Promise<void> {
    this.path = this.onDisk ? join(tmpdir(), `agemem-property-${process.pid}-${this.name}`) : ":memory:";
    try {
      await this.open();
      const steps = 8 + this.random.integer(18);
      for (let i = 0; i < steps; i++) await this.step();
      for (const branch of this.openBranches()) await this.checkBranch(branch);
    } finally {
      await this.handles.get("main")?.close();
      if (this.onDisk) await rm(this.path, { recursive: true, force: true });
    }
  }

  async open(): Promise<void> {
    const kind = this.random.pick<"faiss" | "flat">(KINDS);
    const main = await FaissStore.open(this.path, {
      durability: "normal",
      index: {
        embeddings: new LetterEmbeddings(),
        fields: ["text"],
        kind,
        scanBelow: this.random.pick([0, 384]),
      },
    });
    this.handles.clear();
    this.handles.set("main", main);
    for (const { name } of this.openBranches())
      if (name !== "main") this.handles.set(name, await main.branch(name));
  }

  openBranches(): ModelBranch[] {
    return this.model.branches.filter(({ open }) => open);
  }

  async step(): Promise<void> {
    const branch = this.random.pick(this.openBranches());
    const store = this.handles.get(branch.name)!;
    const roll = this.random.integer(100);
    if (roll < 42) await this.put(branch, store);
    else if (roll < 54) await this.delete(branch, store);
    else if (roll < 64) await this.fork(branch, store);
    else if (roll < 72) await this.checkBranch(branch);
    else if (roll < 80) await this.lookBack();
    else if (roll < 86) await this.promote(branch, store);
    else if (roll < 89) await this.discard(branch, store);
    else if (roll < 95) await this.vacuum(store);
    else if (this.onDisk) await this.reopen();
  }

  async put(branch: ModelBranch, store: FaissStore): Promise<void> {
    const items: ModelItem[] = [];
    for (let i = 0; i <= this.random.integer(3); i++) {
      const text = Array.from({ length: 1 + this.random.integer(4) }, () => this.random.pick(WORDS)).join(
        " ",
      );
      items.push({
        namespace: this.random.pick(NAMESPACES),
        key: `k${this.random.integer(5)}`,
        text,
        n: this.random.integer(4),
      });
    }
    this.log.push(`put ${branch.name} ${items.map((item) => `${item.namespace}/${item.key}=${item.text}`)}`);
    await store.batch(items.map(({ namespace, key, text, n }) => ({ namespace, key, value: { text, n } })));
    for (const item of items) this.model.put(branch, item);
    this.snapshot(branch, store);
  }

  async delete(branch: ModelBranch, store: FaissStore): Promise<void> {
    const [namespace, key] = [this.random.pick(NAMESPACES), `k${this.random.integer(5)}`];
    this.log.push(`delete ${branch.name} ${namespace}/${key}`);
    await store.delete(namespace, key);
    this.model.delete(branch, namespace, key);
    this.snapshot(branch, store);
  }

  snapshot(branch: ModelBranch, store: FaissStore): void {
    const version = store.version();
    expect(version.branch).toBe(branch.name);
    this.#newest = Math.max(this.#newest, version.revision);
    this.model.snapshots = this.model.snapshots.filter(
      ({ version: { branch: name, revision } }) => name !== branch.name || revision !== version.revision,
    );
    this.model.snapshots.push({ version, items: branch.items, pinned: false });
  }

  async fork(branch: ModelBranch, store: FaissStore): Promise<void> {
    if (this.openBranches().length > 5) return;
    const name = `f${this.#forks++}`;
    const old = this.model.snapshots.filter(({ version }) => version.branch === branch.name);
    const from = old.length > 0 && this.random.next() < 0.4 ? this.random.pick(old) : undefined;
    this.log.push(`fork ${branch.name} → ${name} ${from ? from.version.revision : ""}`);
    this.handles.set(name, await store.fork(name, from ? { from: from.version } : {}));
    const items = from?.items ?? branch.items;
    this.model.branches.push({ name, parent: branch, base: items, items, open: true });
  }

  async promote(branch: ModelBranch, store: FaissStore): Promise<void> {
    if (!branch.parent?.open) return;
    const conflicts = this.model.conflicts(branch);
    this.log.push(`promote ${branch.name} (${conflicts.length} conflicts)`);
    if (conflicts.length > 0) {
      expect(await codeOf(() => store.promote())).toBe("AGEMEM_STORE_CONFLICT");
      return;
    }
    await store.promote();
    this.model.promote(branch);
    this.forget(branch);
    this.snapshot(branch.parent, this.handles.get(branch.parent.name)!);
  }

  async discard(branch: ModelBranch, store: FaissStore): Promise<void> {
    if (!branch.parent) return;
    this.log.push(`discard ${branch.name}`);
    await store.discard();
    branch.open = false;
    this.forget(branch);
    expect(await codeOf(() => store.get(["a"], "k0"))).toBe("AGEMEM_STORE_BRANCH");
  }

  forget({ name }: ModelBranch): void {
    this.model.snapshots = this.model.snapshots.filter(({ version }) => version.branch !== name);
  }

  async lookBack(): Promise<void> {
    if (this.model.snapshots.length === 0) return;
    const snapshot = this.random.pick(this.model.snapshots);
    const { branch, revision } = snapshot.version;
    this.log.push(`at ${branch}@${revision}`);
    const store = this.handles.get(this.random.pick(this.openBranches()).name)!;
    await this.check(store.at(snapshot.version), snapshot.items);
    if (this.random.next() < 0.2) {
      this.log.push(`pin ${branch}@${revision}`);
      await store.pin(`${branch}@${revision}`, snapshot.version);
      snapshot.pinned = true;
    }
  }

  async vacuum(store: FaissStore): Promise<void> {
    const keep = this.random.integer(6);
    this.log.push(`vacuum ${keep}`);
    await store.vacuum({ keepRevisions: keep, shrink: false });
    const kept: typeof this.model.snapshots = [];
    for (const snapshot of this.model.snapshots) {
      const gone = (await codeOf(() => store.at(snapshot.version))) === "AGEMEM_STORE_BRANCH";
      if (snapshot.pinned || snapshot.version.revision >= this.#newest - keep) expect(gone).toBe(false);
      if (!gone) kept.push(snapshot);
    }
    this.model.snapshots = kept;
  }

  async reopen(): Promise<void> {
    this.log.push("reopen");
    await this.handles.get("main")?.close();
    await this.open();
  }

  async checkBranch(branch: ModelBranch): Promise<void> {
    this.log.push(`check ${branch.name}`);
    await this.check(this.handles.get(branch.name)!, branch.items);
  }

  async check(store: FaissStore | FaissStoreView, all: ReadonlyMap<string, ModelItem>): Promise<void> {
    const prefix = this.random.pick([[], ...NAMESPACES]);
    const items = under(all, prefix);
    const listed = await store.search(prefix, { limit: 1000 });
    expect(
      listed.map(({ namespace, key, value }) => [idOf(namespace, key), value.text, value.n]).sort(),
    ).toEqual(items.map(({ namespace, key, text, n }) => [idOf(namespace, key), text, n]).sort());
    const query = `${this.random.pick(WORDS)} ${this.random.pick(WORDS)}`;
    const n = this.random.integer(4);
    const some = this.random.next() < 0.5;
    const filter = some ? { n: { $lte: n } } : undefined;
    const wanted = (id: string) => !some || all.get(id)!.n <= n;
    expectScores(await store.search(prefix, { query, filter, limit: 1000 }), cosines(items, query), wanted);
    const keyword = await store.search(prefix, { query, filter, limit: 1000, mode: "keyword" });
    expectScores(keyword, bm25(items, query), wanted);
    const [few, many] = [await store.search(prefix, { query, limit: 3 }), cosines(items, query)];
    const best = [...many.values()].sort((a, b) => b - a).slice(0, 3);
    expect(few).toHaveLength(best.length);
    few.forEach(({ score }, i) => {
      expect(score).toBeCloseTo(best[i]!, 5);
    });
    const spaces = new Set([...all.values()].map(({ namespace }) => JSON.stringify(namespace)));
    expect((await store.listNamespaces()).map((labels) => JSON.stringify(labels)).sort()).toEqual(
      [...spaces].sort(),
    );
  }
}

function expectScores(
  found: { namespace: string[]; key: string; score?: number }[],
  expected: Map<string, number>,
  wanted: (id: string) => boolean,
): void {
  const scores = found.map(({ score }) => score ?? Number.NaN);
  expect(scores).toEqual([...scores].sort((a, b) => b - a));
  const want = [...expected].filter(([id]) => wanted(id));
  expect(found.map(({ namespace, key }) => idOf(namespace, key)).sort()).toEqual(
    want.map(([id]) => id).sort(),
  );
  for (const { namespace, key, score } of found)
    expect(score).toBeCloseTo(expected.get(idOf(namespace, key))!, 5);
}

async function runProgram(seed: string): Promise<void> {
  const random = createRandom(seed);
  const program = new Program(random, random.next() < 0.3, seed);
  try {
    await program.run();
  } catch (error) {
    throw new Error(`seed ${seed} (AGEMEM_PROPERTY_SEED=${seed})\n${program.log.join("\n")}`, {
      cause: error,
    });
  }
}

it(`agrees with a plain model over ${RUNS} random programs`, { timeout: 600_000 }, async () => {
  const one = process.env.AGEMEM_PROPERTY_SEED;
  if (one) return runProgram(one);
  for (let i = 0; i < RUNS; i++) await runProgram(`p${i}`);
});
