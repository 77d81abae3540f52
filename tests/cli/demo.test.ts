import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LexicalEmbeddings } from "../../src/models/lexical-embeddings.js";
import { FaissStore } from "../../src/store/faiss-store.js";
import { readTrajectoryFile, validateFile } from "../../src/trajectory/file.js";
import { MEMORY_OPS, type MemoryOp } from "../../src/types.js";
import { type Finished, run, start, temporaryDirectory } from "./program.js";

const NAMESPACE = ["memories", "nora"];

async function memories(dir: string): Promise<Map<string, string>> {
  const embeddings = new LexicalEmbeddings();
  const store = await FaissStore.open(`${dir}/store`, {
    index: { embeddings, embeddingName: embeddings.name },
  });
  try {
    const items = await store.search(NAMESPACE, { limit: 100 });
    return new Map(items.map((item) => [item.key, String(item.value.content)]));
  } finally {
    await store.close();
  }
}

describe("demo over two sessions", () => {
  let dir: Awaited<ReturnType<typeof temporaryDirectory>>;
  let demo: Finished;

  beforeAll(async () => {
    dir = await temporaryDirectory();
    demo = await run(["demo", "--dir", dir.path]);
  }, 120_000);
  afterAll(() => dir.remove());

  it("ends well, in two processes", () => {
    expect(demo.stderr).toBe("");
    expect(demo.code).toBe(0);
    const processes = [...demo.stdout.matchAll(/Session \d of 2 \(process (\d+)\)/g)].map(
      (match) => match[1],
    );
    expect(new Set(processes).size).toBe(2);
  });

  it("says that rules and no language model act", () => {
    expect(demo.stdout).toContain("offline-rules (not a language model)");
  });

  it("runs all six operations with effect, as the recording tells", async () => {
    const effective = new Set<MemoryOp>();
    for (const session of [1, 2]) {
      for await (const record of readTrajectoryFile(`${dir.path}/session-${session}.jsonl`)) {
        if (record.kind !== "step") continue;
        for (const op of record.memory_ops) {
          if (!op.ok) continue;
          const shrinks = op.op === "SUMMARY" || op.op === "FILTER";
          if (shrinks) expect(op.tokens_after).toBeLessThan(op.tokens_before);
          else if (op.op !== "RETRIEVE")
            expect(op.revision_after).toBeGreaterThan(op.revision_before as number);
          effective.add(op.op);
        }
      }
    }
    expect([...effective].sort()).toEqual([...MEMORY_OPS].sort());
  });

  it("leaves the changed facts, not the old ones, and not the withdrawn one", async () => {
    const contents = [...(await memories(dir.path)).values()].join("\n");
    expect(contents).toContain("Lisbon");
    expect(contents).toContain("green tea");
    expect(contents).toContain("AT 1873");
    expect(contents).not.toContain("lives in Porto");
    expect(contents).not.toMatch(/drinks coffee/);
    expect(contents).not.toContain("Daniel");
  });

  it("answers in the second session what only the first was told", () => {
    const second = demo.stdout.slice(demo.stdout.indexOf("Session 2 of 2"));
    const answerTo = (question: string) =>
      second.slice(second.indexOf(question)).match(/\nagent +(.*)/)?.[1] ?? "";
    expect(answerTo("Where do I live now?")).toContain("Lisbon");
    expect(answerTo("What do I like to drink")).toContain("green tea");
    expect(answerTo("Who has the spare key")).not.toContain("Daniel");
  });

  it("records both sessions as valid trajectories", async () => {
    for (const session of [1, 2]) {
      const report = await validateFile(`${dir.path}/session-${session}.jsonl`);
      expect(report.problems).toEqual([]);
      expect(report.trajectories).toBe(1);
      expect(report.unfinished).toBe(0);
      expect(report.steps).toBeGreaterThan(3);
    }
  });
});

describe("demo killed in the middle", () => {
  it("knows every acknowledged fact in the next session", async () => {
    const dir = await temporaryDirectory();
    try {
      const acknowledged = await killAfterAdds(["demo", "--session", "1", "--dir", dir.path], 5);
      expect(acknowledged.length).toBeGreaterThanOrEqual(5);
      const second = await run(["demo", "--session", "2", "--dir", dir.path]);
      expect(second.code).toBe(0);
      const stored = await memories(dir.path);
      for (const id of acknowledged) {
        expect(stored.has(id), `memory ${id}`).toBe(true);
        expect(second.stdout).toContain(id);
      }
      const { problems } = await validateFile(`${dir.path}/session-1.jsonl`);
      expect(problems).toEqual([]);
    } finally {
      await dir.remove();
    }
  }, 120_000);
});

/** Kills the process with SIGKILL once it has acknowledged `count` memories; their ids. */
function killAfterAdds(args: string[], count: number): Promise<string[]> {
  const child = start(args);
  let output = "";
  child.stdout?.on("data", (chunk) => {
    output += chunk;
    if (output.split("Stored as memory").length > count) child.kill("SIGKILL");
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (_code, signal) => {
      if (signal !== "SIGKILL") reject(new Error(`ended by itself: ${output}`));
      resolve([...output.matchAll(/Stored as memory (\w+)/g)].map((match) => match[1] as string));
    });
  });
}
