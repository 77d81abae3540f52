/** The soak of `npm run test:soak`, for some seconds. */
import { expect, it } from "vitest";
import { temporaryDirectory } from "../store/helpers.js";
import { soak } from "./soak.js";

it("two writers and two readers miss nothing", { timeout: 120_000 }, async () => {
  const seed = "short";
  const figures = await soak({ path: temporaryDirectory(), seconds: 5, writers: 2, readers: 2, seed });
  expect(figures, `seed ${seed}`).toMatchObject({ missingVectors: 0, lost: 0, errors: [], verified: true });
  expect(new Set(figures.items).size, `items ${figures.items}`).toBe(1);
  expect(Math.min(figures.writes, figures.reads, figures.checked)).toBeGreaterThan(0);
});
