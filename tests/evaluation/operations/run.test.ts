import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { reportOperations } from "../../../src/evaluation/operations/report.js";
import { readResults, runSituations } from "../../../src/evaluation/operations/run.js";
import { makeSituations } from "../../../src/evaluation/operations/situations.js";
import { LexicalEmbeddings } from "../../../src/models/lexical-embeddings.js";
import { FaissStore } from "../../../src/store/faiss-store.js";
import { ScriptedChatModel, type ScriptedStep } from "../../../src/testing/scripted-model.js";

let directory: string;
let store: FaissStore;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "agemem-operations-"));
  store = await FaissStore.open(":memory:", { index: { embeddings: new LexicalEmbeddings() } });
});
afterEach(async () => {
  await store.close();
  await rm(directory, { recursive: true });
});

const situations = makeSituations({ split: "dev", perKind: 1 });
const talking = (n: number, ...then: ScriptedStep[]) =>
  new ScriptedChatModel([...Array.from({ length: n }, () => "Hello there!"), ...then]);

describe("runSituations", () => {
  it("reports a model that only talks as right where an answer is wanted, and nowhere else", async () => {
    const results = await runSituations(situations, { model: talking(15) }, { name: "talker", store });
    const [report] = reportOperations(results);
    const answering = [
      "known-already",
      "small-talk",
      "answer-in-context",
      "answer-nowhere",
      "poisoned-memory",
    ];
    expect(report).toMatchObject({ subject: "talker", situations: 15, promptTokens: null });
    expect(report?.valid.hits).toBe(15);
    for (const [kind, row] of Object.entries(report?.byKind ?? {})) {
      expect([kind, row.rightOperation.hits]).toEqual([kind, answering.includes(kind) ? 1 : 0]);
      expect(row.moves.ANSWER).toBe(1);
    }
    // It does not know the answer to the two questions it was told the answer of.
    expect(report?.rightArguments.hits).toBe(3);
  });

  it("goes on where a run broke off: nothing twice, nothing missing", async () => {
    const out = join(directory, "results.jsonl");
    const run = { name: "talker", store, out };
    const broken = runSituations(situations, { model: talking(6, new Error("connection refused")) }, run);
    await expect(broken).rejects.toMatchObject({ code: expect.stringMatching(/^AGEMEM_MODEL_/) });
    expect(await readResults(out)).toHaveLength(6);
    await appendFile(out, '{"schema":"agemem.oper');
    const again = talking(9);
    await store.close();
    store = await FaissStore.open(":memory:", { index: { embeddings: new LexicalEmbeddings() } });
    const results = await runSituations(situations, { model: again }, { ...run, store });
    again.assertDone();
    expect(results.map(({ situation }) => situation)).toEqual(situations.map(({ id }) => id));
    const written = (await readResults(out)).map(({ situation }) => situation);
    expect(written.sort()).toEqual(situations.map(({ id }) => id).sort());
  });

  it("keeps subjects of one file apart", async () => {
    const out = join(directory, "results.jsonl");
    for (const name of ["a", "b"]) {
      await runSituations(situations.slice(0, 2), { model: talking(2) }, { name, store, out });
      await store.close();
      store = await FaissStore.open(":memory:", { index: { embeddings: new LexicalEmbeddings() } });
    }
    const reports = reportOperations(await readResults(out));
    expect(reports.map(({ subject, situations: n }) => [subject, n])).toEqual([
      ["a", 2],
      ["b", 2],
    ]);
  });

  it("refuses a file that holds something else and leaves it alone", async () => {
    const out = join(directory, "other.jsonl");
    await writeFile(out, '{"mine":1}\n');
    const run = runSituations(situations, { model: talking(1) }, { name: "x", store, out });
    await expect(run).rejects.toMatchObject({ code: "AGEMEM_INPUT_FORMAT" });
    expect(await readFile(out, "utf8")).toBe('{"mine":1}\n');
  });
});
