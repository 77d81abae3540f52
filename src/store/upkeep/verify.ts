/** Verification: checks rows, vectors, history, keyword index and memory against each other. Changes nothing. */
import { AgeMemError } from "../../errors.js";
import type { Engine } from "../engine.js";
import { type Connection, openSnapshot, toStoreError } from "../rows/database.js";
import { VECTORS_PER_VERSION } from "../rows/schema.js";
import { isStoredJson } from "../rows/stored-json.js";
import { vectorRows } from "../rows/vector-rows.js";
import { textsAt } from "../search/field-paths.js";
import { textHash } from "../vectors/embedder.js";
import { storedModel } from "../vectors/embedding-model.js";
import type { VectorTable } from "../vectors/vector-table.js";

/** One kind of problem, and what repair would do about it. */
export interface StoreProblem {
  kind: ProblemKind;
  count: number;
  /** The first few ids, of version rows unless the kind says otherwise. */
  examples: number[];
  repair: string;
}

type ProblemKind = keyof typeof REPAIRS;

export interface VerifyResult {
  ok: boolean;
  problems: StoreProblem[];
  /** Version rows of the store, and vectors that were checked. */
  versions: number;
  vectors: number;
}

/** What `repair()` does about each kind of problem. */
const REPAIRS = {
  database: "nothing: restore a backup",
  "row-without-item": "delete the row",
  "row-without-branch": "delete the row",
  "wrong-end": "set the end of the row to the revision of the next one",
  "revision-missing": "add the revision",
  "vector-without-row": "delete the vector",
  "vector-damaged": "delete the vector and embed the text again",
  "vector-missing": "embed the text",
  "value-damaged": "nothing: put or delete the item again, or restore a backup",
  "keyword-index": "rebuild the keyword index",
  memory: "read everything again from the database",
} as const;

/** Checks in SQL: each query returns the ids at fault. */
const CHECKS: [ProblemKind, string][] = [
  [
    "row-without-item",
    "SELECT v.id FROM versions v LEFT JOIN items i ON i.id = v.item LEFT JOIN namespaces n ON n.id = v.ns WHERE i.id IS NULL OR n.id IS NULL OR i.ns <> v.ns",
  ],
  ["row-without-branch", "SELECT id FROM versions WHERE branch NOT IN (SELECT id FROM branches)"],
  [
    "wrong-end",
    `SELECT id FROM (SELECT id, end_rev, lead(rev) OVER (PARTITION BY item, branch ORDER BY rev) AS next FROM versions)
    WHERE next IS NOT NULL AND end_rev IS NOT next`,
  ],
  [
    "revision-missing",
    "SELECT v.id FROM versions v LEFT JOIN revisions r ON r.rev = v.rev WHERE r.rev IS NULL",
  ],
  [
    "vector-without-row",
    `SELECT x.id FROM vectors x LEFT JOIN versions v ON v.id = x.id / ${VECTORS_PER_VERSION} WHERE v.id IS NULL OR v.op = 0`,
  ],
  ["keyword-index", "SELECT version AS id FROM terms WHERE version NOT IN (SELECT id FROM versions)"],
];

type Note = (kind: ProblemKind, id: number) => void;

/** Checks the store as it is at one moment; later writes by others are not checked. */
export async function verifyStore(
  engine: Engine,
  onProgress?: (done: number) => void,
): Promise<VerifyResult> {
  const found = new Map<ProblemKind, number[]>();
  const note: Note = (kind, id) => {
    const ids = found.get(kind) ?? [];
    ids.push(id);
    found.set(kind, ids);
  };
  const snapshot = await openSnapshot(engine.db);
  const db = snapshot ?? engine.db;
  let counts = { versions: 0, vectors: 0 };
  try {
    checkTables(db, note);
    // A store in memory has no second connection for a snapshot, so it is checked without pauses.
    counts = await checkRows(db, note, snapshot !== null, onProgress);
    checkMemory(engine, note);
  } catch (error) {
    // An unreadable page ends the check, and is reported as a problem.
    const failure = toStoreError(error);
    if (!AgeMemError.isInstance(failure) || failure.code !== "AGEMEM_STORE_CORRUPT") throw failure;
    note("database", 0);
  } finally {
    snapshot?.close();
  }
  const problems = [...found].map(([kind, ids]) => ({
    kind,
    count: ids.length,
    examples: ids.slice(0, 5),
    repair: REPAIRS[kind],
  }));
  return { ok: problems.length === 0, problems, ...counts };
}

function checkTables(db: Connection, note: Note): void {
  const integrity = db.db.pragma("integrity_check(10)") as { integrity_check: string }[];
  if (integrity[0]?.integrity_check !== "ok") for (const i of integrity.keys()) note("database", i);
  for (const [kind, sql] of CHECKS) for (const { id } of db.rows<{ id: number }>(sql)) note(kind, id);
}

/** Checks that each row's vectors belong to its texts. */
async function checkRows(
  db: Connection,
  note: Note,
  pauses: boolean,
  onProgress?: (done: number) => void,
): Promise<{ versions: number; vectors: number }> {
  const versions = db.row<{ n: number }>("SELECT count(*) AS n FROM versions")?.n ?? 0;
  const dims = storedModel(db)?.dims;
  let vectors = 0;
  for (let after = 0; ; ) {
    const rows = db.rows<{ id: number; fields: string | null; value: string }>(
      "SELECT id, fields, value FROM versions WHERE id > ? AND op = 1 ORDER BY id LIMIT 500",
      after,
    );
    for (const row of rows) vectors += checkRow(db, row, dims, note);
    const last = rows.at(-1);
    if (!last) return { versions, vectors };
    after = last.id;
    onProgress?.(vectors);
    if (pauses) await new Promise((resolve) => setImmediate(resolve));
  }
}

function checkRow(
  db: Connection,
  row: { id: number; fields: string | null; value: string },
  dims: number | undefined,
  note: Note,
): number {
  if (!isStoredJson(row.value)) {
    note("value-damaged", row.id);
    return 0;
  }
  if (dims === undefined) return 0;
  const stored = vectorRows(db, row.id);
  const damaged = stored.some(({ vector }) => vector.byteLength !== dims * 4 || !isAllFinite(vector));
  if (damaged) note("vector-damaged", row.id);
  else if (isIncomplete(row, stored)) note("vector-missing", row.id);
  return stored.length;
}

/** Whether the vectors do not match the row's texts. Vectors that the caller supplied are not compared. */
function isIncomplete(
  row: { fields: string | null; value: string },
  stored: readonly { hash: Buffer }[],
): boolean {
  if (row.fields === "false" || row.fields === null) return false;
  const given = textHash("");
  if (stored.some(({ hash }) => hash.equals(given))) return false;
  const texts = textsAt(JSON.parse(row.value) as Record<string, unknown>, JSON.parse(row.fields) as string[]);
  return (
    texts.length !== stored.length || texts.some(({ text }, i) => !stored[i]?.hash.equals(textHash(text)))
  );
}

function isAllFinite(vector: Buffer): boolean {
  for (let at = 0; at + 4 <= vector.byteLength; at += 4)
    if (!Number.isFinite(vector.readFloatLE(at))) return false;
  return true;
}

/**
 * Compares the vector table in memory with the rows, both at one moment. Vectors in memory of removed rows (after a
 * vacuum that was killed half way) are no problem, because no view sees them.
 */
function checkMemory({ db, vectors, transactions }: Engine, note: Note): void {
  if (db.db.inTransaction) throw new TypeError("A store is verified outside of a transaction");
  transactions.read(() => {
    if (vectors.table) compareTable(db, vectors.table, note);
  });
}

function compareTable(db: Connection, table: VectorTable, note: Note): void {
  const rows = db.iterate<{
    id: number;
    branch: number;
    rev: number;
    end_rev: number | null;
    n: number;
  }>(
    `SELECT v.id, v.branch, v.rev, v.end_rev, count(x.id) AS n FROM versions v
     JOIN vectors x ON x.id >= v.id * ${VECTORS_PER_VERSION} AND x.id < (v.id + 1) * ${VECTORS_PER_VERSION}
     GROUP BY v.id ORDER BY v.id`,
  );
  let slot = 0;
  for (const row of rows) {
    while (slot < table.size && table.version.at(slot) < row.id) slot++;
    for (let i = 0; i < row.n; i++, slot++) {
      const same =
        table.version.at(slot) === row.id &&
        table.branch.at(slot) === row.branch &&
        table.rev.at(slot) === row.rev &&
        table.end.at(slot) === (row.end_rev ?? Number.POSITIVE_INFINITY);
      if (!same) note("memory", row.id);
    }
  }
}
