/** One of several processes that work on one store: writes, reads its own writes, reads what others announced. */
import { createRandom } from "../../src/lib/random.js";
import { NS, openCrashStore } from "./load.js";

const [path, me, operations] = [
  process.argv[2] as string,
  process.argv[3] as string,
  Number(process.argv[4]),
];
const store = await openCrashStore(path);
const random = createRandom(`process/${me}`);
const mine = new Map<string, string>();
const fail = (message: string): void => {
  process.send?.({ error: `process ${me}: ${message}` });
};

const checks: Promise<void>[] = [];
process.on("message", (message: { key: string; revision: number }) => {
  // Another process had this acknowledged before it told us, so we must see it, or something later.
  const check = store.history(NS, message.key).then(
    (history) => {
      if ((history[0]?.revision ?? 0) < message.revision) fail(`stale read of ${message.key}`);
    },
    (error) => fail(String(error)),
  );
  checks.push(check);
});

async function step(i: number): Promise<void> {
  const roll = random.integer(100);
  const key = `${me}-${random.integer(30)}`;
  if (roll < 35) {
    mine.set(key, `${key} ${i}`);
    await store.put(NS, key, { text: `${key} ${i}` });
    const read = await store.get(NS, key);
    if (read?.value.text !== mine.get(key)) fail(`own write of ${key} not seen`);
    if (roll < 3) {
      // That of the write: the store's own may count what others have written since.
      const [written] = await store.history(NS, key);
      process.send?.({ key, revision: written?.revision });
    }
  } else if (roll < 45) {
    mine.delete(key);
    await store.delete(NS, key);
    if (await store.get(NS, key)) fail(`own delete of ${key} not seen`);
  } else if (roll < 60) {
    await store.put(NS, "shared", { text: `${me} ${i}` });
    process.send?.({ shared: `${me} ${i}` });
  } else if (roll < 80) {
    const expected = mine.get(key);
    if ((await store.get(NS, key))?.value.text !== expected) fail(`${key} is not ${expected}`);
  } else {
    const found = await store.search(NS, { query: `${key} x`, limit: 200 });
    const own = found.filter((item) => item.key.startsWith(`${me}-`));
    if (own.length !== mine.size) fail(`search saw ${own.length} of ${mine.size} own items`);
    if (own.some((item) => mine.get(item.key) !== item.value.text)) fail("search saw an old value");
  }
}

try {
  for (let i = 0; i < operations; i++) await step(i);
  // What the others announce from here on would be read from a closed store.
  process.removeAllListeners("message");
  await Promise.all(checks);
  await store.close();
  process.send?.({ finished: [...mine] });
} catch (error) {
  fail(error instanceof Error ? `${error.stack} ${JSON.stringify(error)}` : String(error));
}
process.disconnect?.();
