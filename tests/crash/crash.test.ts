/** Kills processes in the middle of a mixed load. `npm run test:crash` does it 300 times; a plain test run a few. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { createRandom } from "../../src/lib/random.js";
import { temporaryDirectory } from "../store/helpers.js";
import { runAndKill } from "./kill.js";
import { openCrashStore, outcomes, readState, type State } from "./load.js";

const FULL = process.env.npm_lifecycle_event === "test:crash";
const KILLS = Number(process.env.AGEMEM_KILLS ?? (FULL ? 300 : 4));
const LANES = 2;
const worker = fileURLToPath(new URL("./crash-worker.ts", import.meta.url));

/** The last operation that a worker which began with `first` reported so. */
function lastOf(out: string, word: string, first: number): number {
  const lines = out.match(new RegExp(`${word} (\\d+)\\n`, "g"));
  return Number(lines?.at(-1)?.split(" ")[1] ?? first - 1);
}

async function lane(name: number, kills: number): Promise<number> {
  const random = createRandom(`lane/${name}`);
  const path = temporaryDirectory();
  let [state, next] = [new Map() as State, 1 + name * 1_000_000];
  let acknowledged = 0;
  for (let kill = 0; kill < kills; kill++) {
    const { out, stderr } = await runAndKill(worker, [path, String(next)], random.integer(400));
    const [started, done] = [lastOf(out, "start", next), lastOf(out, "done", next)];
    const where = `lane ${name}, kill ${kill}, operations ${next} to ${started}`;
    expect(stderr, where).toBe("");
    for (let i = next; i <= done; i++) state = outcomes(state, i).at(-1) as State;
    acknowledged += done - next + 1;
    const possible = started > done ? outcomes(state, started) : [state];
    const store = await openCrashStore(path);
    const found = await readState(store);
    const same = (one: State) =>
      one.size === found.size && [...one].every(([key, value]) => found.get(key) === value);
    expect(possible.some(same), where).toBe(true);
    expect(await store.verify(), where).toMatchObject({ ok: true, problems: [] });
    await store.close();
    if (existsSync(join(path, "copy", "memory.db"))) {
      const copy = await openCrashStore(join(path, "copy"));
      expect(await copy.verify(), `${where}, backup`).toMatchObject({ ok: true });
      await copy.close();
    }
    state = found;
    next = started + 1;
  }
  return acknowledged;
}

it(`loses nothing over ${KILLS} kills`, { timeout: 3_600_000 }, async () => {
  const lanes = Array.from({ length: LANES }, (_, i) => lane(i, Math.ceil(KILLS / LANES)));
  const acknowledged = (await Promise.all(lanes)).reduce((sum, n) => sum + n, 0);
  expect(acknowledged).toBeGreaterThan(KILLS);
});
