/**
 * Export and import of items as JSON Lines, and online backup.
 *
 * The first line of an export is a header, every further line one live item with its times, index paths and
 * vectors. Export reads one pinned version; import writes in batches and skips what is stored already, so an
 * interrupted one is run again.
 */
import { existsSync, renameSync, rmSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { InputError, messageOf, StoreError } from "../../errors.js";
import { ensureDirectory } from "../../lib/directory.js";
import { readJsonl } from "../../lib/jsonl.js";
import type { Engine } from "../engine.js";
import { checkOperation, type PutOp } from "../operations.js";
import { preparePuts } from "../prepare.js";
import { vectorsOf } from "../promote.js";
import { type Connection, DATABASE_FILE, openSnapshot } from "../rows/database.js";
import { liveRow, rowById, rowsOf, toItem, type VersionRow } from "../rows/reader.js";
import { type PreparedPut, type WrittenRow, writePuts } from "../rows/writer.js";
import { canonicalName, isSameModel, storedModel } from "../vectors/embedding-model.js";
import { pinForExport, unpinVersion } from "../versions.js";

export const EXPORT_KIND = "agemem.store/1";

/** Called now and then with the number of items done. */
export type Progress = (done: number) => void;

export interface ExportOptions {
  /** Namespace prefix; default everything. */
  prefix?: string[];
  /** Include vectors, so that an import need not embed. Default true. */
  vectors?: boolean;
  onProgress?: Progress;
}

export interface ImportOptions {
  onProgress?: Progress;
}

export interface ImportResult {
  /** Items written. */
  imported: number;
  /** Items that were stored already with the same value. */
  skipped: number;
}

/** Writes the live items of a branch to a JSONL file. Returns their number. */
export async function exportItems(
  engine: Engine,
  branch: number,
  path: string,
  options: ExportOptions = {},
): Promise<number> {
  const { name } = engine.branches.open(branch);
  const version = { branch: name, revision: engine.revisionOf(branch) };
  const pin = await pinForExport(engine, version);
  const temporary = `${path}.${process.pid}.partial`;
  let file: FileHandle | undefined;
  let count = 0;
  try {
    file = await open(temporary, "w");
    const model = storedModel(engine.db);
    const embedding = { name: model ? canonicalName(model) : null, dims: model?.dims ?? 0 };
    await file.appendFile(`${JSON.stringify({ kind: EXPORT_KIND, ...version, embedding })}\n`);
    const view = engine.branches.view(branch, version.revision);
    for (const ns of engine.namespaces.under(options.prefix ?? [])) {
      const ids = [...rowsOf(engine, view, ns.id)].map(({ id }) => id);
      for (let from = 0; from < ids.length; from += 500) {
        const lines = ids
          .slice(from, from + 500)
          .flatMap((id) => lineOf(engine, id, options.vectors !== false));
        await file.appendFile(lines.join(""));
        count += lines.length;
        options.onProgress?.(count);
      }
    }
    await file.sync();
    await file.close();
    renameSync(temporary, path);
    return count;
  } catch (cause) {
    await file?.close().catch(() => undefined);
    rmSync(temporary, { force: true });
    throw fileError(path, cause);
  } finally {
    await unpinVersion(engine, pin);
  }
}

function lineOf(engine: Engine, id: number, withVectors: boolean): string[] {
  const row = rowById(engine, id);
  if (!row) return [];
  const vectors = withVectors
    ? vectorsOf(engine, id).map(({ path, hash, vector }) => ({
        path,
        hash: hash.toString("hex"),
        vector: Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString("base64"),
      }))
    : undefined;
  const line = {
    ...toItem(engine, row),
    index: JSON.parse(row.fields ?? "null"),
    ...(row.ttl === null ? {} : { ttl: row.ttl }),
    ...(vectors && vectors.length > 0 ? { vectors } : {}),
  };
  return [`${JSON.stringify(line)}\n`];
}

interface Line {
  namespace: string[];
  key: string;
  value: Record<string, unknown>;
  index?: false | string[] | null;
  createdAt?: string;
  updatedAt?: string;
  ttl?: number;
  vectors?: { path: string; hash: string; vector: string }[];
}

/**
 * Imports a JSONL file of {@link exportItems}, or of plain `{ namespace, key, value }` lines.
 *
 * @throws InputError `AGEMEM_INPUT_FILE`, `AGEMEM_INPUT_FORMAT` with the line; what was written before stays, and
 * the same import may be run again
 */
export async function importItems(
  engine: Engine,
  branch: number,
  path: string,
  options: ImportOptions = {},
): Promise<ImportResult> {
  const result = { imported: 0, skipped: 0 };
  let waiting: Line[] = [];
  let useVectors = false;
  const flush = async (): Promise<void> => {
    const lines = waiting;
    waiting = [];
    const imported = await importBatch(engine, branch, lines, useVectors);
    result.imported += imported;
    result.skipped += lines.length - imported;
    options.onProgress?.(result.imported + result.skipped);
  };
  for await (const { line, value } of readJsonl(path)) {
    if (isHeader(value)) {
      useVectors = fits(engine, value.embedding);
      continue;
    }
    waiting.push(checkLine(engine, path, line, value));
    if (waiting.length >= 500) await flush();
  }
  await flush();
  return result;
}

/** Whether the vectors of an export are those of the store's model. */
function fits({ embedder }: Engine, embedding: { name: string | null; dims: number } | undefined): boolean {
  if (!embedder || !embedding || embedding.name === null) return false;
  const { name, dims } = embedding;
  return isSameModel({ name, dims }, embedder.name) && (embedder.dims ?? dims) === dims;
}

function isHeader(value: unknown): value is { embedding?: { name: string | null; dims: number } } {
  return typeof value === "object" && value !== null && (value as { kind?: unknown }).kind === EXPORT_KIND;
}

function checkLine(engine: Engine, path: string, line: number, value: unknown): Line {
  const { namespace, key, value: stored, index } = (value ?? {}) as Line;
  try {
    checkOperation(
      { namespace, key, value: stored ?? undefined, index: index ?? undefined },
      engine.options.limits,
    );
  } catch (cause) {
    throw new InputError("AGEMEM_INPUT_FORMAT", `${path}:${line} is no item: ${messageOf(cause)}`, {
      cause,
      remedy: "Give lines with namespace, key and value, as `agemem memory export` writes them.",
      details: { path, line },
    });
  }
  return value as Line;
}

async function importBatch(
  engine: Engine,
  branch: number,
  lines: readonly Line[],
  useVectors: boolean,
): Promise<number> {
  engine.poll();
  const view = engine.branches.view(branch);
  const fresh = lines.filter(
    (line) => !isStored(engine, liveRow(engine, view, JSON.stringify(line.namespace), line.key), line),
  );
  if (fresh.length === 0) return 0;
  return engine.write(
    () => prepareLines(engine, fresh, useVectors),
    (puts) => {
      engine.branches.open(branch);
      const dims = puts.find((put) => put.vectors.length > 0)?.vectors[0]?.vector.length;
      if (dims !== undefined) engine.recordEmbedding(dims);
      const rows: WrittenRow[] = writePuts(engine, branch, puts);
      return { result: fresh.length, rows };
    },
  );
}

function isStored(engine: Engine, row: VersionRow | undefined, line: Line): boolean {
  if (!row || row.value !== JSON.stringify(line.value)) return false;
  if (line.updatedAt !== undefined && Date.parse(line.updatedAt) !== row.updated_at) return false;
  return (
    line.index === undefined || row.fields === JSON.stringify(line.index ?? engine.embedder?.fields ?? ["$"])
  );
}

async function prepareLines(
  engine: Engine,
  lines: readonly Line[],
  useVectors: boolean,
): Promise<PreparedPut[]> {
  const puts = lines.map((line) => {
    const op = {
      namespace: line.namespace,
      key: line.key,
      value: line.value,
      index: line.index ?? undefined,
      ttl: line.ttl,
    };
    const known = useVectors && line.vectors !== undefined;
    const checked = checkOperation(known ? { ...op, vectors: [] } : op, engine.options.limits);
    return checked as Extract<typeof checked, { kind: "put" }> & { op: PutOp };
  });
  const prepared = await preparePuts(engine, puts);
  return prepared.map((put, i) => {
    const line = lines[i] as Line;
    const vectors =
      useVectors && line.vectors
        ? line.vectors.map(({ path, hash, vector }) => ({
            path,
            hash: Buffer.from(hash, "hex"),
            vector: engine.embedder?.check(floats(vector)) as Float32Array,
          }))
        : put.vectors;
    const times = {
      ...(line.createdAt ? { createdAt: Date.parse(line.createdAt) } : {}),
      ...(line.updatedAt ? { updatedAt: Date.parse(line.updatedAt) } : {}),
    };
    return { ...put, ...times, vectors };
  });
}

function floats(base64: string): Float32Array {
  const bytes = Uint8Array.from(Buffer.from(base64, "base64"));
  return new Float32Array(bytes.buffer, 0, Math.floor(bytes.byteLength / 4));
}

/** Copies the store to another directory while it is used. The copy appears when it is complete. */
export async function backupStore(engine: Engine, path: string, onProgress?: Progress): Promise<void> {
  const directory = resolve(path);
  const target = join(directory, DATABASE_FILE);
  if (existsSync(target)) {
    throw new StoreError("AGEMEM_STORE_PATH", `${directory} holds a store already`, {
      remedy: "Back up to a new directory.",
    });
  }
  const partial = `${target}.partial`;
  let snapshot: Connection | null = null;
  try {
    ensureDirectory(dirname(target));
    // A copy of what another connection may write begins again with each of its writes; that of a snapshot does not.
    snapshot = await openSnapshot(engine.db);
    await (snapshot ?? engine.db).db.backup(partial, {
      progress: ({ totalPages, remainingPages }) => {
        onProgress?.(totalPages - remainingPages);
        return 2000;
      },
    });
    renameSync(partial, target);
  } catch (cause) {
    rmSync(partial, { force: true });
    throw new StoreError("AGEMEM_STORE_PATH", `The backup to ${directory} failed: ${messageOf(cause)}`, {
      cause,
      remedy: "Give a new directory with enough space.",
    });
  } finally {
    snapshot?.close();
  }
}

function fileError(path: string, cause: unknown): unknown {
  const code = (cause as { code?: unknown }).code;
  if (typeof code !== "string" || !/^E[A-Z]+$/.test(code)) return cause;
  return new InputError("AGEMEM_INPUT_FILE", `${path} cannot be written: ${messageOf(cause)}`, {
    cause,
    remedy: "Check the path and its permissions.",
  });
}
