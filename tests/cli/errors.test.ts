import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startOpenAIServer } from "../../src/testing/openai-server.js";
import { run, temporaryDirectory } from "./program.js";

/** One line, a code first, and a remedy after it. */
function expectLine(stderr: string, code: string, remedy: RegExp): void {
  const lines = stderr.trim().split("\n");
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(new RegExp(`^${code}: `));
  expect(lines[0]).toMatch(remedy);
}

describe("what goes wrong is one line with code and remedy", () => {
  let dir: Awaited<ReturnType<typeof temporaryDirectory>>;
  beforeAll(async () => {
    dir = await temporaryDirectory();
  });
  afterAll(() => dir.remove());

  it.each([
    ["is missing", undefined, "AGEMEM_INPUT_FILE", /Check the path/],
    ["is not JSON", '{"a":', "AGEMEM_INPUT_FORMAT", /documented formats/],
    ["lacks a field", '[{"question":"q","answer":"a"}]', "AGEMEM_INPUT_FORMAT", /field context.*Repair/],
  ])("a data file that %s", async (name, text, code, remedy) => {
    const file = join(dir.path, `${name}.json`);
    if (text !== undefined) await writeFile(file, text);
    const out = join(dir.path, name);
    const { code: exit, stderr } = await run(["demo", "--hotpotqa", file, "--dir", out]);
    expect(exit).toBe(2);
    expectLine(stderr, code, remedy);
    expect(existsSync(out)).toBe(false);
  });

  it("a store path below a file, and one the system refuses", async () => {
    const file = join(dir.path, "file");
    await writeFile(file, "");
    for (const path of [join(file, "below"), "/proc/agemem"]) {
      const { code, stderr } = await run(["demo", "--session", "1", "--dir", path]);
      expect(code).toBe(1);
      expectLine(stderr, "AGEMEM_STORE_PATH", /Choose another directory/);
    }
  }, 60_000);

  it("a model endpoint where nobody listens", async () => {
    const path = join(dir.path, "unreachable");
    const env = { OPENAI_BASE_URL: "http://127.0.0.1:9/v1", AGEMEM_MODEL: "m", AGEMEM_EMBEDDINGS: "lexical" };
    const { code, stderr } = await run(["demo", "--session", "1", "--dir", path], env);
    expect(code).toBe(1);
    expectLine(stderr, "AGEMEM_MODEL_UNREACHABLE", /OPENAI_BASE_URL/);
  }, 60_000);

  it("a model endpoint that refuses the key, which it never prints", async () => {
    const server = await startOpenAIServer(() => ({ status: 401, message: "invalid key sk-secret-123" }));
    try {
      const path = join(dir.path, "refused");
      const { code, stderr } = await run(["demo", "--session", "1", "--dir", path], {
        OPENAI_BASE_URL: server.url,
        OPENAI_API_KEY: "sk-secret-123",
        AGEMEM_MODEL: "m",
        AGEMEM_EMBEDDINGS: "lexical",
      });
      expect(code).toBe(1);
      expectLine(stderr, "AGEMEM_MODEL_FAILED", /OPENAI_API_KEY/);
      expect(stderr).not.toContain("sk-secret");
    } finally {
      await server.close();
    }
  }, 60_000);

  it("a store made with another embedding model, which stays as it was", async () => {
    const path = join(dir.path, "other-embeddings");
    expect((await run(["demo", "--session", "1", "--dir", path])).code).toBe(0);
    const before = await readFile(join(path, "store", "memory.db"));
    const second = await run(["demo", "--session", "2", "--dir", path], {
      OPENAI_API_KEY: "unused",
      AGEMEM_MODEL: "offline",
      AGEMEM_EMBEDDINGS: "openai:other-model",
    });
    expect(second.code).toBe(1);
    expectLine(second.stderr, "AGEMEM_STORE_EMBEDDING", /reembed/);
    expect(await readFile(join(path, "store", "memory.db"))).toEqual(before);
  }, 60_000);

  it("a session that does not exist, and a recording that is none", async () => {
    const none = await run(["demo", "--session", "9", "--dir", join(dir.path, "nine")]);
    expect(none.code).toBe(2);
    expectLine(none.stderr, "AGEMEM_INPUT_ARGUMENT", /1 to 2/);
    const file = join(dir.path, "recording.jsonl");
    await writeFile(file, '{"kind":"step"}\n');
    const bad = await run(["validate", file]);
    // A finding, not a usage error: the command did what it was asked to.
    expect(bad.code).toBe(1);
    expectLine(bad.stderr, "AGEMEM_TRAJECTORY_INVALID", /line 1/);
  }, 60_000);
});
