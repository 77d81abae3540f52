/** What `import "agemem"` loads: no rules that stand in for a model, and no tables before something is counted. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { ROOT, readSources } from "./support/source-tree.js";

/** Files of src/ that a file reaches, by `import` of any kind, types and on-demand imports included. */
function reachedFrom(entry: string): ReturnType<typeof readSources> {
  const sources = new Map(readSources().map((file) => [file.path, file]));
  const reached = new Set<string>();
  const visit = (path: string): void => {
    if (reached.has(path)) return;
    reached.add(path);
    for (const next of sources.get(path)?.local ?? []) visit(next);
  };
  visit(entry);
  return [...reached].flatMap((path) => sources.get(path) ?? []);
}

it("nothing an application imports reaches the rules, not even on demand", () => {
  const reached = reachedFrom("index.ts");
  expect(reached.length).toBeGreaterThan(100);
  expect(reached.map(({ path }) => path).filter((path) => path.startsWith("offline"))).toEqual([]);
  expect(reached.filter(({ packages }) => packages.includes("compromise"))).toEqual([]);
  expect(reachedFrom("offline.ts").some(({ packages }) => packages.includes("compromise"))).toBe(true);
});

/** Addresses of all modules that Node loads for `code`. */
async function modulesOf(code: string): Promise<string[]> {
  const hooks = `import { writeSync } from "node:fs";
    export const load = (url, context, next) => (writeSync(2, "LOADED " + url + "\\n"), next(url, context));`;
  const register = `import { register } from "node:module"; register(${JSON.stringify(
    `data:text/javascript,${encodeURIComponent(hooks)}`,
  )});`;
  const args = ["--import", "tsx", "--import", `data:text/javascript,${encodeURIComponent(register)}`];
  const run = promisify(execFile);
  const { stderr } = await run(process.execPath, [...args, "--input-type=module", "-e", code], {
    cwd: ROOT,
    maxBuffer: 64 * 1024 * 1024,
  });
  return [...stderr.matchAll(/^LOADED (\S+)$/gm)].map(([, url]) => url as string);
}

it("importing agemem loads no rules, no tagger and no token tables", { timeout: 120_000 }, async () => {
  const entry = JSON.stringify(`${ROOT}/src/index.ts`);
  const modules = await modulesOf(`await import(${entry});`);
  expect(modules.some((url) => url.includes("/src/models/tokens"))).toBe(true);
  const unwanted = /\/src\/offline|node_modules\/compromise|js-tiktoken\/dist\/ranks/;
  expect(modules.filter((url) => unwanted.test(url))).toEqual([]);
  const counting = await modulesOf(
    `const { tokenCounter } = await import(${entry}); if (tokenCounter().countText("hello world") !== 2) throw new Error();`,
  );
  const training = await modulesOf(`await import(${JSON.stringify(`${ROOT}/src/training.ts`)});`);
  expect(training.some((url) => url.includes("/src/rewards/key-items"))).toBe(true);
  expect(training.filter((url) => url.includes("node_modules/compromise"))).toEqual([]);
  expect(counting.some((url) => url.includes("js-tiktoken/dist/ranks/o200k_base"))).toBe(true);
});
