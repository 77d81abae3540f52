/**
 * The memories of one response are embedded in one request and synced once, and each is still checked against those before
 * it.
 */
import { afterEach, expect, it, vi } from "vitest";
import { LexicalEmbeddings } from "../../../src/models/lexical-embeddings.js";
import { FaissStore } from "../../../src/store/faiss-store.js";
import { temporaryDirectory, watchCommits } from "../../store/helpers.js";
import { ada, calls, contents, outcomesOf, says, scripted } from "../helpers.js";

/** Counts the requests; refuses a request with a poisonous text in it. */
class Counting extends LexicalEmbeddings {
  requests: number[] = [];

  override async embedDocuments(texts: string[]): Promise<number[][]> {
    this.requests.push(texts.length);
    if (texts.some((text) => text.includes("poison"))) throw new Error("refused");
    return super.embedDocuments(texts);
  }

  override async embedQuery(text: string): Promise<number[]> {
    this.requests.push(0);
    return super.embedQuery(text);
  }
}

afterEach(() => vi.restoreAllMocks());

async function run(texts: string[], cacheSize?: number, path = ":memory:") {
  const embeddings = new Counting();
  vi.restoreAllMocks();
  const seen = watchCommits();
  const store = await FaissStore.open(path, {
    index: {
      embeddings,
      embeddingName: "counting",
      fields: ["content"],
      retries: 0,
      ...(cacheSize === undefined ? {} : { cacheSize }),
    },
  });
  const adds = texts.map((content): [string, Record<string, unknown>] => ["Add_memory", { content }]);
  const { agent } = scripted([calls(...adds), "Noted."], { store });
  const failure = await agent.invoke(says("Remember this."), ada()).then(
    ({ messages }) => outcomesOf(messages).map(({ ok }) => ok),
    () => "failed" as const,
  );
  const stored = await contents(store);
  // Closing saves the vectors, with a commit of its own.
  const commits = [...seen];
  await store.close();
  return { requests: embeddings.requests, oks: failure, stored, commits };
}

const NOTES = ["Ada lives in Porto.", "Ada drinks green tea.", "Bo sails on Sundays.", "ada lives in Porto"];

it("asks the model once, and refuses a copy of what the same response stored", async () => {
  const { requests, oks, stored } = await run(NOTES);
  expect(oks).toEqual([true, true, true, false]);
  expect(stored.sort()).toEqual(NOTES.slice(0, 3).sort());
  expect(requests).toEqual([4]);
});

it("stores the same where nothing is cached, with a request for each", async () => {
  const { requests, oks, stored } = await run(NOTES, 0);
  expect(oks).toEqual([true, true, true, false]);
  expect(stored.sort()).toEqual(NOTES.slice(0, 3).sort());
  expect(requests.length).toBeGreaterThan(4);
});

it("loses no memory because a later one's text is refused", async () => {
  const { oks, stored } = await run(["Ada lives in Porto.", "a poisonous note", "Bo sails on Sundays."]);
  expect(oks).toBe("failed");
  expect(stored).toEqual(["Ada lives in Porto."]);
});

it("embeds nothing that the limits refuse", async () => {
  const long = "Ada has much to tell. ".repeat(400);
  const { requests, oks } = await run([long, ...NOTES]);
  expect(oks).toEqual([false, true, true, true, false]);
  expect(requests).toEqual([4]);
  const many = Array.from({ length: 105 }, (_, i) => `Fact ${i}: ${"abcdefghij".repeat(2)}${i * 7919}`);
  const flood = await run(many);
  expect(Array.isArray(flood.oks) && flood.oks.slice(100)).toEqual([false, false, false, false, false]);
  expect(Math.max(...flood.requests)).toBeLessThanOrEqual(100);
});

it("syncs the disk once for all memories of a response, also if a later one fails", async () => {
  const { oks, commits } = await run(NOTES, undefined, temporaryDirectory());
  expect(oks).toEqual([true, true, true, false]);
  expect(commits).toEqual(["later", "later", "later", "synced"]);
  const failed = await run(["Ada lives in Porto.", "a poisonous note"], undefined, temporaryDirectory());
  expect(failed).toMatchObject({ oks: "failed", stored: ["Ada lives in Porto."] });
  expect(failed.commits).toEqual(["later", "synced"]);
});

it("syncs a single memory at once", async () => {
  const { commits } = await run(["Ada lives in Porto."], undefined, temporaryDirectory());
  expect(commits).toEqual(["synced"]);
});
