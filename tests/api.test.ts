/** The public surface is what `api/` says: a change of an export or a signature is written there, on purpose. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { apiReports, reportPath } from "./support/api-report.js";
import { ENTRY_POINTS, exportedNames, ROOT, readText } from "./support/source-tree.js";

describe("the public surface", () => {
  it("is that of the checked-in reports; after a change that is meant, run `npm run api`", () => {
    for (const [path, text] of apiReports()) {
      expect(existsSync(join(ROOT, path)), `${path} is missing: npm run api`).toBe(true);
      expect(readText(path), `${path} is out of date: npm run api`).toBe(text);
    }
  }, 300_000);

  it("is small: about 45 names for applications, 60 for training", () => {
    expect(Object.keys(ENTRY_POINTS).map(reportPath)).toContain("api/agemem.training.api.md");
    expect(exportedNames("index.ts").size).toBeLessThanOrEqual(50);
  }, 60_000);
});
