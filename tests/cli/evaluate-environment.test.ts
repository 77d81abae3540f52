/** `agemem evaluate ENVIRONMENT` as a process: servers that die, hang or answer nonsense, and kill -9. */
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readEvaluation } from "../../src/evaluation/runs/results-file.js";
import { run, start, temporaryDirectory } from "./program.js";

/** Takes the place of the Python of an environment. A task's level says what its server does; "N-slow" answers late. */
const SERVER = `#!${process.execPath}
const { createServer } = require("node:http");
let level = "";
const state = { goal: "go", progress: 0, won: false, done: false, valid: true };
const server = createServer((request, response) => {
  let text = "";
  request.on("data", (part) => (text += part));
  request.on("end", () => {
    const path = request.url.split("?")[0];
    const say = (body, wait = 0) => setTimeout(() => response.end(typeof body === "string" ? body : JSON.stringify(body)), wait);
    if (path === "/health") return say({ rss_mb: 1 });
    if (path === "/create") return say({ id: 1 });
    if (path === "/close") return say({ closed: true });
    if (path === "/expert") return say({ actions: ["go"] });
    if (path === "/reset") {
      level = JSON.parse(text).level;
      return level === "unset" ? say({ error: "no such level", kind: "request" }) : say({ id: 1, observation: "A room.", ...state });
    }
    if (level === "dies") process.exit(3);
    if (level === "hangs") return;
    if (level === "page") return say("<html>Bad gateway</html>");
    if (level === "seven") return say({ observation: "x", ...state, progress: 7 });
    say({ observation: "Done.", ...state, progress: 1, won: true, done: true }, level === "slow" ? 150 : 0);
  });
});
server.listen(0, "127.0.0.1", () => console.log('{"name": "babyai", "port": ' + server.address().port + "}"));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
`;

let folder: { path: string; remove: () => Promise<void> };
let env: NodeJS.ProcessEnv;
beforeAll(async () => {
  folder = await temporaryDirectory();
  const bin = join(folder.path, "home", "babyai", "bin");
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, "python"), SERVER);
  await chmod(join(bin, "python"), 0o755);
  await writeFile(join(folder.path, "home", "babyai", "agemem-stamp"), "[]");
  env = { AGEMEM_ENVIRONMENTS: join(folder.path, "home") };
});
afterAll(() => folder.remove());

async function list(name: string, levels: readonly string[]): Promise<string> {
  const home = join(folder.path, name);
  await mkdir(home, { recursive: true });
  const rows = levels.map((subtask, id) =>
    JSON.stringify({ id, goal: "go", subgoals: [], additional_info: { subtask } }),
  );
  await writeFile(join(home, "babyai.jsonl"), rows.join("\n"));
  return home;
}

const episodes = async (out: string) =>
  (await readEvaluation(out)).flatMap((line) => (line.type === "episode" ? [line] : []));

describe("agemem evaluate babyai", { timeout: 180_000 }, () => {
  it("a server that fails fails its episode, with a code, and the next one gets a new server", async () => {
    const home = await list("hostile", ["fine", "dies", "hangs", "page", "seven", "unset", "fine"]);
    const out = join(folder.path, "hostile.jsonl");
    const args = ["evaluate", `babyai:${home}`, "--systems", "expert", "--step-timeout", "1", "--out", out];
    const { code, stdout, stderr } = await run([...args, "--model", "offline"], env);
    expect(code, stderr).toBe(0);
    expect(stdout).toContain("7 episodes played, 0 were there already, 5 failed");
    expect((await episodes(out)).map(({ error, metrics }) => error?.code ?? metrics?.success)).toEqual([
      1,
      "AGEMEM_ENVIRONMENT_UNREACHABLE",
      "AGEMEM_ENVIRONMENT_UNREACHABLE",
      "AGEMEM_ENVIRONMENT_FAILED",
      "AGEMEM_ENVIRONMENT_FAILED",
      "AGEMEM_INPUT_ARGUMENT",
      1,
    ]);
  });

  it("is killed with -9 and goes on: no episode twice, none missing, with a memory that the suite shares", async () => {
    const home = await list("killed", new Array(12).fill("slow"));
    const out = join(folder.path, "killed.jsonl");
    const args = [
      "evaluate",
      `babyai:${home}`,
      "--systems",
      "expert,no-memory,agemem",
      "--memory",
      "per-suite",
    ];
    const all = [...args, "--steps", "2", "--model", "offline", "--out", out];
    const killed = start(all, env);
    const gone = new Promise((done) => killed.once("close", done));
    const lines = async () => (await readFile(out, "utf8").catch(() => "")).split("\n").length;
    while (killed.exitCode === null && (await lines()) < 28)
      await new Promise((done) => setTimeout(done, 20));
    killed.kill("SIGKILL");
    await gone;
    expect((await episodes(out)).length).toBeLessThan(36);
    const { code, stderr } = await run(all, env);
    expect(code, stderr).toBe(0);
    const keys = (await episodes(out)).map(({ system, task }) => `${system} ${task}`);
    expect(keys).toHaveLength(36);
    expect(new Set(keys).size).toBe(36);
  });

  it("says what is missing: the environment, the tasks, a system that there is not", async () => {
    const home = await list("missing", ["fine"]);
    const out = join(folder.path, "missing.jsonl");
    const absent = { AGEMEM_ENVIRONMENTS: join(folder.path, "nowhere") };
    const args = ["evaluate", `babyai:${home}`, "--systems", "expert", "--model", "offline", "--out", out];
    const uninstalled = await run(args, absent);
    expect(uninstalled.code).not.toBe(0);
    expect(uninstalled.stderr).toMatch(
      /AGEMEM_PACKAGE_MISSING: babyai is not installed .*npm run environments/,
    );
    const half = join(folder.path, "half", "babyai", "bin");
    await mkdir(half, { recursive: true });
    await writeFile(join(half, "python"), SERVER);
    const interrupted = await run(args, { AGEMEM_ENVIRONMENTS: join(folder.path, "half") });
    expect(interrupted.stderr).toMatch(/AGEMEM_PACKAGE_MISSING: babyai is not installed completely/);
    const untold = await run(["evaluate", "pddl", "--model", "offline"], { AGEMEM_DATA: "" });
    expect([untold.code === 0, untold.stderr]).toEqual([false, expect.stringContaining("AGEMEM_DATA")]);
    const judged = await run([...args, "--judge", "offline"], env);
    expect(judged.stderr).toContain("AGEMEM_INPUT_ARGUMENT");
  });
});
