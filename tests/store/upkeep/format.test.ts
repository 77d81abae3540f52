/** A store of a former format is brought up to date when it is opened; one of a later format is refused. */
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, it } from "vitest";
import { codeOf, keysOf, openStore, temporaryDirectory } from "../helpers.js";

const NS = ["memories", "ada"];
const TEXTS = { a: "Ada lives in Zürich", b: "Bo bought a walnut table", c: "Cy reads" };

/** The database of a closed store, as the release before left it: terms cut in another way. */
function asFormat1(directory: string): void {
  const db = new Database(join(directory, "memory.db"));
  const [row] = db.prepare("SELECT id FROM versions WHERE value LIKE '%walnut%'").all() as { id: number }[];
  db.exec("INSERT INTO fts (fts) VALUES ('delete-all'); DELETE FROM terms;");
  db.prepare("INSERT INTO fts (rowid, text) VALUES (?, ?)").run(row?.id, "acy_1 acy_1");
  db.prepare("INSERT INTO terms (version, length) VALUES (?, 2)").run(row?.id);
  db.prepare("INSERT OR REPLACE INTO meta (key, value) VALUES ('fts_upto', '1000000')").run();
  db.pragma("user_version = 1");
  db.close();
}

it("indexes the texts of a store of format 1 again", async () => {
  const directory = temporaryDirectory();
  const store = await openStore(directory);
  for (const [key, text] of Object.entries(TEXTS)) await store.put(NS, key, { text });
  await store.close();
  asFormat1(directory);
  const opened = await openStore(directory);
  const found = async (query: string) => keysOf(await opened.search(NS, { query, mode: "keyword" }));
  expect(await found("cy")).toEqual(["c"]);
  expect(await found("buying")).toEqual(["b"]);
  expect(await found("live Zurich")).toEqual(["a"]);
  await opened.put(NS, "d", { text: "Di sells walnuts" });
  expect((await found("walnut")).sort()).toEqual(["b", "d"]);
  expect(await opened.verify()).toMatchObject({ ok: true });
  await opened.close();
  const db = new Database(join(directory, "memory.db"));
  expect(db.pragma("user_version", { simple: true })).toBe(2);
  db.close();
});

it("refuses a store of a later format", async () => {
  const directory = temporaryDirectory();
  await (await openStore(directory)).close();
  const db = new Database(join(directory, "memory.db"));
  db.pragma("user_version = 3");
  db.close();
  expect(await codeOf(() => openStore(directory))).toBe("AGEMEM_STORE_FORMAT");
});
