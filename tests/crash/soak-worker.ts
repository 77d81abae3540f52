/**
 * One process of the soak: a writer or a reader of one directory, until it is told to stop.
 *
 * Owns what each of them does and checks. Leaves out starting them and adding up (`soak.ts`).
 */
import { setTimeout as sleep } from "node:timers/promises";
import { createRandom } from "../../src/lib/random.js";
import type { FaissStore } from "../../src/store/faiss-store.js";
import { openSoakStore, type SoakMessage, type SoakReport, TRIO } from "./soak-load.js";

const [path, role, me, seed] = process.argv.slice(2) as [string, "writer" | "reader", string, string];
const random = createRandom(`${seed}/${me}`);
const store = await openSoakStore(path);
const report: SoakReport = { operations: 0, checked: 0, errors: [], items: 0, unscored: 0, acknowledged: [] };
const announced: { namespace: string[]; key: string; text: string }[] = [];
let stopped = false;

const fail = (message: string): void => {
  if (report.errors.length < 20) report.errors.push(`${me}: ${message}`);
};
const send = (message: SoakMessage): void => {
  process.send?.(message);
};

process.on("message", (message: SoakMessage) => {
  if (message.kind === "stop") stopped = true;
  else if (message.kind === "written") announced.push(message);
});

/** Writes one thing; every item has a vector, and fresh ones are never changed again. */
async function write(i: number): Promise<void> {
  const roll = random.integer(1000);
  const namespace = ["soak", me, `n${Math.floor(i / 200)}`];
  if (roll < 450) {
    const [key, text] = [`k${i}`, `${me} fresh ${i}`];
    await store.put(namespace, key, { text });
    report.acknowledged.push(`${namespace.join("/")}/${key}`);
    if (roll < 300) send({ kind: "written", namespace, key, text });
  } else if (roll < 550) {
    await store.batch(
      TRIO.map((key) => ({ namespace: ["soak", "trio"], key, value: { text: `${me} ${i}` } })),
    );
  } else if (roll < 650) {
    await store.put(["soak", "shared"], `s${random.integer(50)}`, { text: `${me} shared ${i}` });
  } else if (roll < 950) {
    const key = `d${random.integer(20)}`;
    await store.put(["soak", "gone", me], key, { text: `${me} gone ${i}` });
    await store.delete(["soak", "gone", me], key);
  } else if (roll < 990) {
    const fork = await store.fork();
    await fork.put(["soak", "fork"], me, { text: `${me} fork ${i}` });
    if ((await fork.search(["soak", "fork"], { query: `${me} fork ${i}`, limit: 1 }))[0]?.key !== me) {
      fail(`a fork did not see its write ${i}`);
    }
    await fork.discard();
  } else await store.checkpoint();
  // Seldom: after a vacuum every process reads everything again, which would hide what one of them missed.
  if (me === "writer0" && i % 5000 === 4999) await store.vacuum({ shrink: false });
}

/** Reads one thing and checks it. */
async function read(): Promise<void> {
  const due = announced.shift();
  if (due) {
    report.checked++;
    const found = await store.search(due.namespace, { query: due.text, limit: 1 });
    const hit = found[0];
    if (hit?.key !== due.key || (hit.score ?? 0) < 0.999) {
      fail(`acknowledged ${due.namespace}/${due.key} not found by its vector, but ${hit?.key} ${hit?.score}`);
    }
    return;
  }
  const roll = random.integer(100);
  if (roll < 50) {
    const operations = TRIO.map((key) => ({ namespace: ["soak", "trio"], key }));
    const search = { namespacePrefix: ["soak", "trio"], query: "any", limit: 10 };
    const found = (await store.batch([...operations, search])) as unknown as ({
      value: { text: string };
    } | null)[];
    const texts = found.flat().map((item) => item?.value.text);
    const written = texts.filter((text) => text !== undefined);
    if (new Set(written).size > 1 || (written.length !== 0 && written.length !== 2 * TRIO.length)) {
      fail(`half of a batch: ${texts}`);
    }
  } else if (roll < 90) {
    const found = await store.search(["soak", "shared"], {
      query: `query ${random.integer(100)}`,
      limit: 100,
    });
    if (found.some(({ score }) => score === undefined)) fail("a shared item without its vector");
  } else if (roll < 95) await store.listNamespaces({ prefix: ["soak"], limit: 1000 });
  else await store.get(["soak", "shared"], `s${random.integer(50)}`);
}

/** What this handle holds in the end: every live item must be ranked by a vector. */
async function count(handle: FaissStore): Promise<void> {
  const all = await handle.search(["soak"], { query: "any", limit: 10_000_000 });
  report.items = all.length;
  report.unscored = all.filter(({ score }) => score === undefined).length;
}

send({ kind: "ready" });
try {
  for (let i = 0; !stopped; i++) {
    if (role === "writer") await write(i);
    else await read();
    report.operations++;
    await sleep(role === "writer" ? 1 : 3);
  }
  while (announced.length > 0) await read();
  send({ kind: "stopped" });
  // Counted when all writers have stopped, so that every handle must hold the same.
  await new Promise<void>((resolve) => {
    process.on("message", (message: SoakMessage) => {
      if (message.kind === "count") resolve();
    });
  });
  while (announced.length > 0) await read();
  await count(store);
  await store.close();
} catch (error) {
  fail(error instanceof Error ? `${error.stack}` : String(error));
}
send({ kind: "report", report });
process.disconnect?.();
