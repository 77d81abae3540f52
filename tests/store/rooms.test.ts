/** The rooms of the store: which may import which, as docs/architecture.md says. */
import { describe, expect, it } from "vitest";
import { readSources } from "../support/source-tree.js";

/** What a room may import of src/store: other rooms and files of the face. */
const ALLOWED: Record<string, RegExp> = {
  rows: /^store\/(rows\/|addons\.ts)/,
  vectors: /^store\/(rows|vectors)\/|^store\/addons\.ts/,
  search: /^store\/(rows|vectors|search)\//,
};

describe("the rooms of the store", () => {
  it("import only what lies below them", () => {
    const files = readSources().filter(({ path }) => path.startsWith("store/"));
    const wrong = files.flatMap(({ path, local }) => {
      const allowed = ALLOWED[path.split("/")[1] as string];
      const inStore = local.filter((target) => target.startsWith("store/"));
      return allowed ? inStore.filter((target) => !allowed.test(target)).map((to) => `${path}: ${to}`) : [];
    });
    expect(files.length).toBeGreaterThan(50);
    expect(wrong).toEqual([]);
  });

  it("upkeep is reached from the face alone", () => {
    const users = readSources().filter(
      ({ path, local }) =>
        /^store\/(rows|vectors|search)\//.test(path) && local.some((to) => to.startsWith("store/upkeep/")),
    );
    expect(users.map(({ path }) => path)).toEqual([]);
  });
});
