/**
 * Verification: rows, vectors, history, keyword index and memory checked against each other. Changes nothing.
 */

import { textHash } from "./embedder.js";
import { storedModel } from "./embedding-model.js";
import type { Engine } from "./engine.js";
import { textsAt } from "./field-paths.js";
import { VECTORS_PER_VERSION } from "./schema.js";

/** One kind of problem with what repair would do about it. */
export interface Problem {
  kind: ProblemKind;
  count: number;
  /** Ids of the first few: version rows, unless the kind says otherwise. */
  examples: number[];
  repair: string;
}

export type ProblemKind = keyof typeof REPAIRS;

export interface VerifyResult {
  ok: boolean;
  problems: Problem[];
  /** Version rows and vectors looked at. */
  versions: number;
  vectors: number;
}

/** What `repair()` does about each kind of problem. */
export const REPAIRS = {
  database: "nothing: restore a backup",
  "row-without-item": "delete the row",
  "row-without-branch": "delete the row",
  "wrong-end": "set the end of the row to the revision of the next one",
  "revision-missing": "add the revision",
  "vector-without-row": "delete the vector",
  "vector-damaged": "delete the vector and embed the text again",
  "vector-missing": "embed the text",
  "keyword-index": "build the keyword index anew",
  memory: "read everything again from the database",
} as const;

/** Kinds of problems in SQL: a query that gives the ids at fault. */
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

/** Checks everything. */
export async function verifyStore(
  engine: Engine,
  onProgress?: (done: number) => void,
): Promise<VerifyResult> {
  engine.poll();
  const found = new Map<ProblemKind, number[]>();
  const note = (kind: ProblemKind, id: number): void => {
    const ids = found.get(kind) ?? [];
    ids.push(id);
    found.set(kind, ids);
  };
  const integrity = engine.db.db.pragma("integrity_check(10)") as { integrity_check: string }[];
  if (integrity[0]?.integrity_check !== "ok") for (const i of integrity.keys()) note("database", i);
  for (const [kind, sql] of CHECKS) for (const { id } of engine.db.rows<{ id: number }>(sql)) note(kind, id);
  const vectors = await checkVectors(engine, note, onProgress);
  checkMemory(engine, note);
  const problems = [...found].map(([kind, ids]) => ({
    kind,
    count: ids.length,
    examples: ids.slice(0, 5),
    repair: REPAIRS[kind],
  }));
  const versions = engine.db.row<{ n: number }>("SELECT count(*) AS n FROM versions")?.n ?? 0;
  return { ok: problems.length === 0, problems, versions, vectors };
}

/** Compares each row's vectors with the texts they stand for. */
async function checkVectors(
  engine: Engine,
  note: (kind: ProblemKind, id: number) => void,
  onProgress?: (done: number) => void,
): Promise<number> {
  const dims = storedModel(engine.db)?.dims;
  if (dims === undefined) return 0;
  let seen = 0;
  for (let after = 0; ; ) {
    const rows = engine.db.rows<{ id: number; fields: string | null; value: string }>(
      "SELECT id, fields, value FROM versions WHERE id > ? AND op = 1 ORDER BY id LIMIT 500",
      after,
    );
    for (const row of rows) seen += checkRow(engine, row, dims, note);
    const last = rows.at(-1);
    if (!last) return seen;
    after = last.id;
    onProgress?.(seen);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function checkRow(
  engine: Engine,
  row: { id: number; fields: string | null; value: string },
  dims: number,
  note: (kind: ProblemKind, id: number) => void,
): number {
  const stored = engine.db.rows<{ id: number; hash: Buffer; vector: Buffer }>(
    "SELECT id, hash, vector FROM vectors WHERE id >= ? AND id < ? ORDER BY id",
    row.id * VECTORS_PER_VERSION,
    (row.id + 1) * VECTORS_PER_VERSION,
  );
  const damaged = stored.some(({ vector }) => vector.byteLength !== dims * 4 || !isAllFinite(vector));
  if (damaged) note("vector-damaged", row.id);
  else if (isIncomplete(row, stored)) note("vector-missing", row.id);
  return stored.length;
}

/** Whether the vectors are not those of the row's texts. Vectors given by the caller are taken as they are. */
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

/** Compares the vector table in memory with the rows. */
function checkMemory(engine: Engine, note: (kind: ProblemKind, id: number) => void): void {
  const { table } = engine;
  if (!table) return;
  const rows = engine.db.iterate<{
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
    for (let i = 0; i < row.n; i++, slot++) {
      const same =
        table.version.at(slot) === row.id &&
        table.branch.at(slot) === row.branch &&
        table.rev.at(slot) === row.rev &&
        table.end.at(slot) === (row.end_rev ?? Number.POSITIVE_INFINITY);
      if (!same) note("memory", row.id);
    }
  }
  if (slot !== table.size) note("memory", table.size);
}
