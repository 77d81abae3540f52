/**
 * Kills processes while writes of several handles share transactions: whatever was acknowledged is there, and each write is
 * there as a whole or not at all.
 */
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { createRandom } from "../../src/lib/random.js";
import { temporaryDirectory } from "../store/helpers.js";
import { openGroupStore, readLane, WRITERS } from "./group-load.js";
import { runAndKill } from "./kill.js";

const KILLS = Number(
  process.env.AGEMEM_KILLS ?? (process.env.npm_lifecycle_event === "test:crash" ? 100 : 2),
);
const worker = fileURLToPath(new URL("./group-worker.ts", import.meta.url));

/** The last number of a writer's lines of one kind; -1 without any. */
function lastOf(out: string, word: string, lane: number): number {
  return Number([...out.matchAll(new RegExp(`^${word} ${lane} (\\d+)$`, "gm"))].at(-1)?.[1] ?? -1);
}

it(`keeps shared transactions whole over ${KILLS} kills`, { timeout: 3_600_000 }, async () => {
  const random = createRandom("group");
  const path = temporaryDirectory();
  let acknowledged = 0;
  // Of each writer, the numbers that must be there.
  const kept = Array.from({ length: WRITERS }, (): number[] => []);
  let first = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const { out, stderr } = await runAndKill(worker, [path, String(first)], 100 + random.integer(400));
    expect(stderr).toBe("");
    const store = await openGroupStore(path);
    const handles = [store, await store.branch("trial")];
    let next = first;
    for (let lane = 0; lane < WRITERS; lane++) {
      const where = `kill ${kill}, writer ${lane}, from ${first}`;
      const [started, done] = [lastOf(out, "start", lane), lastOf(out, "done", lane)];
      for (let i = first; i <= done; i++) kept[lane]?.push(i);
      acknowledged += Math.max(0, done - first + 1);
      const found = await readLane(handles[lane % 2] as typeof store, lane);
      expect(found.left, where).toBe(found.right);
      expect(found.own.at(-1) ?? Number.NEGATIVE_INFINITY, where).toBe(found.left);
      // The write under way may be there or not.
      if (started > done && found.own.at(-1) === started) kept[lane]?.push(started);
      expect(found.own, where).toEqual(kept[lane]);
      next = Math.max(next, started + 1);
    }
    first = next;
    expect(await store.verify()).toMatchObject({ ok: true, problems: [] });
    await store.close();
  }
  expect(acknowledged).toBeGreaterThan(KILLS * WRITERS);
});
