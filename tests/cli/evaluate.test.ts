/** `agemem evaluate`: which command an option belongs to. Owns no benchmark; those are in tests/evaluation. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "./program.js";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "agemem-evaluate-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

describe("options that suites and subcommands share", { timeout: 120_000 }, () => {
  it("gives --out, --name and --max-tokens after a subcommand to the subcommand", async () => {
    const out = join(directory, "operations.jsonl");
    const args = ["evaluate", "operations", "--model", "offline", "--per-kind", "1", "--max-tokens", "64"];
    const { code, stderr } = await run([...args, "--name", "rules", "--out", out]);
    expect(code, stderr).toBe(0);
    const lines = (await readFile(out, "utf8")).trim().split("\n");
    expect(lines).toHaveLength(15);
    expect(JSON.parse(lines[0] as string)).toMatchObject({ subject: "rules" });
  });

  it("does not run the rules when a subcommand is asked for a model", async () => {
    const missing = join(directory, "no-such-model.gguf");
    const { code, stdout } = await run([
      "evaluate",
      "operations",
      "--model",
      `gguf:${missing}`,
      "--per-kind",
      "1",
    ]);
    expect(code).not.toBe(0);
    expect(stdout).not.toContain("right operation");
  });
});

it("gives agemem's agent the guide of --prompt on a benchmark too, and keeps results of different guides apart", {
  timeout: 120_000,
}, async () => {
  const facts = join(directory, "guided.json");
  const rows = { context: "0. Oslo lies in Norway.", questions: ["Where is Oslo?"], answers: [["Norway"]] };
  await writeFile(facts, JSON.stringify(rows));
  const evaluate = (out: string, ...more: string[]) =>
    run([
      "evaluate",
      `factconsolidation:${facts}`,
      ...["--systems", "agemem", "--model", "offline", "--out", join(directory, out), ...more],
    ]);
  const promptTokens = async (out: string): Promise<number> => {
    const lines = (await readFile(join(directory, out), "utf8"))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    return lines.reduce((sum, { auxiliary }) => sum + (auxiliary?.prompt_tokens ?? 0), 0);
  };
  for (const [out, ...more] of [["full.jsonl"], ["short.jsonl", "--prompt", "short"]] as const) {
    const { code, stderr } = await evaluate(out, ...more);
    expect(code, stderr).toBe(0);
  }
  expect(await promptTokens("short.jsonl")).toBeGreaterThan(0);
  expect(await promptTokens("short.jsonl")).toBeLessThan(await promptTokens("full.jsonl"));
  const mixed = await evaluate("full.jsonl", "--prompt", "short");
  expect(mixed.code).not.toBe(0);
  expect(mixed.stderr).toContain("prompt");
});

it("names the installation of a compared memory that is not there, before anything is asked", {
  timeout: 60_000,
}, async () => {
  const facts = join(directory, "facts.json");
  const rows = { context: "0. Oslo lies in Norway.", questions: ["Where is Oslo?"], answers: [["Norway"]] };
  await writeFile(facts, JSON.stringify(rows));
  const out = join(directory, "peers.jsonl");
  const args = [
    "evaluate",
    `factconsolidation:${facts}`,
    "--systems",
    "no-memory,mem0,langmem",
    "--out",
    out,
  ];
  const env = { AGEMEM_BASELINES: join(directory, "nowhere") };
  const { code, stderr } = await run([...args, "--model", "offline"], env);
  expect(code).not.toBe(0);
  expect(stderr).toMatch(/AGEMEM_PACKAGE_MISSING: mem0 is not installed.*npm run baselines/);
  await mkdir(join(directory, "half", "mem0", "bin"), { recursive: true });
  await writeFile(join(directory, "half", "mem0", "bin", "python"), "");
  const half = await run([...args, "--model", "offline"], { AGEMEM_BASELINES: join(directory, "half") });
  expect(half.stderr).toMatch(/AGEMEM_PACKAGE_MISSING: mem0 is not installed completely/);
  await expect(readFile(out)).rejects.toThrow("ENOENT");
});
