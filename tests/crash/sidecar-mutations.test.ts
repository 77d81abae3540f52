/** Opens stores with spoiled sidecars. `npm run test:crash` tries 2,000 mutations; a plain test run 200. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createRandom } from "../../src/lib/random.js";
import { SIDECAR_FILE } from "../../src/store/vectors/sidecar/sidecar-format.js";
import { openStore, temporaryDirectory } from "../store/helpers.js";
import { answers, fill } from "../store/words.js";

it("mutated in any way gives the right results", { timeout: 1_800_000 }, async () => {
  const runs = Number(
    process.env.AGEMEM_MUTATIONS ?? (process.env.npm_lifecycle_event === "test:crash" ? 2000 : 200),
  );
  const [path, foreign] = [temporaryDirectory(), temporaryDirectory()];
  const store = await openStore(path, { durability: "normal" });
  await fill(store, 40, "a");
  const expected = await answers(store);
  await store.checkpoint();
  await store.close();
  const other = await openStore(foreign);
  await fill(other, 40, "z");
  await other.checkpoint();
  const [good, alien] = [readFileSync(join(path, SIDECAR_FILE)), readFileSync(join(foreign, SIDECAR_FILE))];
  const random = createRandom("mutations");
  for (let i = 0; i < runs; i++) {
    writeFileSync(join(path, SIDECAR_FILE), mutate(good, alien, random.integer(6), random));
    const opened = await openStore(path, { durability: "normal" });
    expect(await answers(opened), `mutation ${i}`).toEqual(expected);
    await opened.close();
  }
  expect(existsSync(join(path, "memory.db"))).toBe(true);
});

function mutate(good: Buffer, alien: Buffer, kind: number, random: ReturnType<typeof createRandom>): Buffer {
  const copy = Buffer.from(good);
  switch (kind) {
    case 0:
      return copy.subarray(0, random.integer(copy.length));
    case 1: {
      const at = random.integer(copy.length);
      copy[at] = copy[at]! ^ (1 << random.integer(8));
      return copy;
    }
    case 2:
      return alien;
    case 3:
      copy.writeUInt32LE(2 + random.integer(100), 8);
      return copy;
    case 4:
      return Buffer.concat([copy, Buffer.alloc(1 + random.integer(64), random.integer(256))]);
    default: {
      const from = random.integer(copy.length);
      return copy.fill(random.integer(256), from, Math.min(copy.length, from + 1 + random.integer(256)));
    }
  }
}
