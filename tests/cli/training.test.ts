/** `agemem rollout | stats | score | export` as processes, one after the other on one recording. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type OpenAIServer, startOpenAIServer } from "../../src/testing/openai-server.js";
import { run, start, temporaryDirectory } from "./program.js";

let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
const at = (name: string) => join(folder.path, name);
const lines = (name: string) =>
  readFileSync(at(name), "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);

beforeAll(async () => {
  folder = await temporaryDirectory();
});
afterAll(() => folder.remove());

describe("with the rules", () => {
  it("embed with words although a key is set, and say so with each rollout", async () => {
    const rolled = await run(
      ["rollout", "synthetic:1:0", "--k", "1", "--model", "offline", "--out", at("key.jsonl")],
      { OPENAI_API_KEY: "sk-no-such-key-0123456789" },
    );
    expect(rolled.code).toBe(0);
    expect(rolled.stderr).toMatch(/opening policy, judge and embeddings \(lexical\)/);
    const trajectory = lines("key.jsonl").find(({ kind }) => kind === "trajectory");
    expect(trajectory?.metadata).toMatchObject({ embeddings: expect.stringMatching(/^lexical-/) });
  });

  it("roll out, sum up, score again and export", async () => {
    const rolled = await run(["rollout", "synthetic:2:0", "--k", "2", "--out", at("run.jsonl")]);
    expect(rolled).toMatchObject({ code: 0, stdout: expect.stringContaining("4 rollouts, 0 failed") });

    const weights = ["--reward", "answer-only", "--weight", "penalty=1"];
    const [again, stats, table, scored, trl] = await Promise.all([
      run(["rollout", "synthetic:2:0", "--k", "2", "--out", at("run.jsonl")]),
      run(["stats", at("run.jsonl"), "--json", "--plots", at("plots")]),
      run(["stats", at("run.jsonl")]),
      run(["score", at("run.jsonl"), ...weights, "--out", at("scored.jsonl")]),
      run(["export", at("run.jsonl"), "--to", "trl", "--out", at("trl.jsonl")]),
    ]);
    expect(again.stdout).toBe(rolled.stdout);
    expect(JSON.parse(stats.stdout)).toMatchObject({
      rollouts: 4,
      byStatus: { ok: 4 },
      groups: { groups: 2 },
    });
    expect(readFileSync(join(at("plots"), "tokens.svg"), "utf8")).toContain("</svg>");
    expect(table.stdout).toMatch(/prompt tokens per call \(TN\)[\s\S]*R\(tau\)/);
    expect(scored.stdout).toContain("4 of 4 rollouts scored");
    expect(trl).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/\d+ x no token ids from the server/),
    });
    expect(existsSync(at("trl.jsonl"))).toBe(false);

    const chat = await run(["export", at("scored.jsonl"), "--to", "chat", "--out", at("chat.jsonl")]);
    expect(chat.code).toBe(0);
    expect(lines("chat.jsonl")[0]).toHaveProperty("messages");
  }, 60_000);

  it("roll out the same in two processes, which do not share a judge's cache", async () => {
    const args = ["rollout", "synthetic:2:0", "--k", "2", "--processes", "2"];
    const rolled = await run([...args, "--out", at("shared.jsonl")]);
    expect(rolled).toMatchObject({ code: 0, stdout: expect.stringContaining("4 rollouts, 0 failed") });
    const rewards = (name: string) =>
      lines(name)
        .filter(({ kind }) => kind === "trajectory")
        .map(({ rollout_id, reward, advantage }) => `${rollout_id} ${reward} ${advantage}`)
        .sort();
    expect(rewards("shared.jsonl")).toEqual(rewards("run.jsonl"));
    const refused = await run([...args, "--judge-cache", at("cache.jsonl"), "--out", at("y.jsonl")]);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("--judge-cache") });
  }, 60_000);

  it("write tasks that a run reads, with a policy that has two tools and a small context", async () => {
    const written = await run(["tasks", "synthetic:2:0:changes=1,distractors=1", "--out", at("tasks.jsonl")]);
    expect(written.stdout).toContain("2 tasks");
    const args = ["--k", "1", "--prompt", "minimal", "--operations", "ADD,RETRIEVE", "--t-max", "512"];
    const rolled = await run(["rollout", at("tasks.jsonl"), ...args, "--out", at("small.jsonl")]);
    expect(rolled.stdout).toContain("2 rollouts, 0 failed");
    const [step] = lines("small.jsonl") as { tools: unknown[]; task_id: string }[];
    expect(step!.task_id).toMatch(/^synthetic-[01]$/);
    expect(step!.tools).toHaveLength(2);
    const refused = await run([
      "rollout",
      at("tasks.jsonl"),
      "--operations",
      "ADD,PUT",
      "--out",
      at("z.jsonl"),
    ]);
    expect(refused.stderr).toContain('"PUT" is none of');
  }, 60_000);

  it("say what is wrong in one line", async () => {
    const refused = await run(["score", at("none.jsonl"), "--out", at("y.jsonl"), "--weight", "task"]);
    expect(refused).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^AGEMEM_INPUT_ARGUMENT: .*\n$/),
    });
  }, 30_000);
});

describe("interrupted with Ctrl-C", () => {
  it("stops, says how to go on, and goes on", async () => {
    const args = ["rollout", "synthetic:20:0", "--k", "2", "--out", at("long.jsonl")];
    const child = start(args);
    let stderr = "";
    child.stderr?.on("data", (chunk) => {
      stderr += chunk;
    });
    const ended = new Promise((settle) => child.once("close", settle));
    while (!existsSync(at("long.jsonl")) || lines("long.jsonl").length < 5) {
      await new Promise((wait) => setTimeout(wait, 20));
    }
    child.kill("SIGINT");
    expect(await ended).toBe(130);
    expect(stderr).toContain("Interrupted. Run the same command again");
    const before = readFileSync(at("long.jsonl"), "utf8");
    const resumed = await run(args);
    expect(resumed).toMatchObject({ code: 0, stdout: expect.stringContaining("40 rollouts, 0 failed") });
    expect(readFileSync(at("long.jsonl"), "utf8").startsWith(before)).toBe(true);
  }, 60_000);
});

describe("with a served model", () => {
  let server: OpenAIServer;
  beforeAll(async () => {
    let asked = 0;
    server = await startOpenAIServer(() => (++asked === 2 ? { status: 503 } : "Porto"));
  });
  afterAll(() => server.close());

  it("record the server's tokens, export every step to TRL, and keep the key to themselves", async () => {
    const env = { OPENAI_BASE_URL: server.url, OPENAI_API_KEY: "sk-not-to-be-seen", AGEMEM_MODEL: "served" };
    const args = ["--k", "2", "--policy-version", "3", "--out", at("served.jsonl")];
    const rolled = await run(["rollout", "synthetic:2:0.5", ...args], env);
    expect(rolled.stderr).not.toContain("sk-not");
    expect(rolled).toMatchObject({ code: 0, stdout: expect.stringContaining("4 rollouts, 0 failed") });
    expect(readFileSync(at("served.jsonl"), "utf8")).not.toContain("sk-not-to-be-seen");
    const exported = await run([
      "export",
      at("served.jsonl"),
      "--to",
      "trl",
      "--out",
      at("trl-served.jsonl"),
    ]);
    expect(exported).toMatchObject({ code: 0, stderr: "" });
    const steps = lines("served.jsonl").filter((line) => line.kind === "step");
    const rows = lines("trl-served.jsonl");
    expect(rows).toHaveLength(steps.length);
    expect(rows[0]).toMatchObject({ model_version: 3, advantage: expect.any(Number) });
  }, 60_000);
});
