/**
 * Exports and imports items as JSON Lines.
 *
 * The first line of an export is a header; each further line is one live item with its times, index paths and vectors.
 * An export reads one pinned version. An import writes in batches and skips what is stored already, so that an
 * interrupted one can simply be repeated.
 */
import { renameSync, rmSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { InputError, messageOf } from "../../errors.js";
import { readJsonl } from "../../lib/jsonl.js";
import type { Engine } from "../engine.js";
import type { StoreLimits } from "../limits.js";
import { type CheckedPut, checkOperation } from "../operations.js";
import { indexedFields, preparePuts } from "../prepare.js";
import type { Ledger } from "../rows/ledger.js";
import { namespacePath } from "../rows/namespaces.js";
import { liveRow, rowById, rowsOf, toItem } from "../rows/reader.js";
import { readVectors, toBlob } from "../rows/vector-rows.js";
import type { VersionRow } from "../rows/version-row.js";
import { type PreparedPut, writePuts } from "../rows/writer.js";
import { canonicalName, isSameModel, storedModel } from "../vectors/embedding-model.js";
import type { Vectors } from "../vectors/vectors.js";
import { pinForExport, unpinVersion } from "../versions.js";
import type { OnProgress } from "./progress.js";

const EXPORT_KIND = "agemem.store/1";

export interface StoreExportOptions {
  /** Namespace prefix; default: everything. */
  prefix?: string[];
  /** Include vectors, so that an import need not embed. Default true. */
  vectors?: boolean;
  onProgress?: OnProgress;
}

export interface StoreImportOptions {
  onProgress?: OnProgress;
}

export interface StoreImportResult {
  /** Items written. */
  imported: number;
  /** Items that were stored already. */
  skipped: number;
}

/** Writes the live items of a branch to a JSONL file. Returns their number. */
export async function exportItems(
  engine: Engine,
  branch: number,
  path: string,
  options: StoreExportOptions = {},
): Promise<number> {
  const { db, ledger } = engine;
  const { name } = ledger.branches.open(branch);
  const version = { branch: name, revision: ledger.revisionOf(branch) };
  const pin = await pinForExport(engine, version);
  const temporary = `${path}.${process.pid}.partial`;
  let file: FileHandle | undefined;
  let count = 0;
  try {
    file = await open(temporary, "w");
    const model = storedModel(db);
    const embedding = { name: model ? canonicalName(model) : null, dims: model?.dims ?? 0 };
    await file.appendFile(`${JSON.stringify({ kind: EXPORT_KIND, ...version, embedding })}\n`);
    const view = ledger.branches.view(branch, version.revision);
    for (const ns of ledger.namespaces.under(options.prefix ?? [])) {
      const ids = [...rowsOf(ledger, view, ns.id)].map(({ id }) => id);
      for (let from = 0; from < ids.length; from += 500) {
        const lines = ids
          .slice(from, from + 500)
          .flatMap((id) => lineOf(ledger, id, options.vectors !== false));
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

function lineOf(ledger: Ledger, id: number, withVectors: boolean): string[] {
  const row = rowById(ledger, id);
  if (!row) return [];
  const vectors = withVectors
    ? readVectors(ledger.db, id).map(({ path, hash, vector }) => ({
        path,
        hash: hash.toString("hex"),
        vector: toBlob(vector).toString("base64"),
      }))
    : undefined;
  const line = {
    ...toItem(ledger, row),
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
 * @throws InputError `AGEMEM_INPUT_FILE`, `AGEMEM_INPUT_FORMAT` with the line; earlier batches stay written, and the
 * import can be repeated
 */
export async function importItems(
  engine: Engine,
  branch: number,
  path: string,
  options: StoreImportOptions = {},
): Promise<StoreImportResult> {
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
      useVectors = fits(engine.vectors, value.embedding);
      continue;
    }
    waiting.push(checkLine(engine.options.limits, path, line, value));
    if (waiting.length >= 500) await flush();
  }
  await flush();
  return result;
}

/** Whether the vectors of an export come from the store's model. */
function fits({ embedder }: Vectors, embedding: { name: string | null; dims: number } | undefined): boolean {
  if (!embedder || !embedding || embedding.name === null) return false;
  const { name, dims } = embedding;
  return isSameModel({ name, dims }, embedder.name) && (embedder.dims ?? dims) === dims;
}

function isHeader(value: unknown): value is { embedding?: { name: string | null; dims: number } } {
  return typeof value === "object" && value !== null && (value as { kind?: unknown }).kind === EXPORT_KIND;
}

function checkLine(limits: StoreLimits, path: string, line: number, value: unknown): Line {
  const { namespace, key, value: stored, index } = (value ?? {}) as Line;
  try {
    checkOperation({ namespace, key, value: stored ?? undefined, index: index ?? undefined }, limits);
  } catch (cause) {
    throw new InputError("AGEMEM_INPUT_FORMAT", `${path}:${line} is not an item: ${messageOf(cause)}`, {
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
  const { ledger, vectors, transactions } = engine;
  transactions.poll();
  const view = ledger.branches.view(branch);
  const fresh = lines.filter((line) => {
    const row = liveRow(ledger, view, namespacePath(line.namespace), line.key);
    return !isStored(vectors, row, line);
  });
  if (fresh.length === 0) return 0;
  return transactions.write(
    (puts) => {
      ledger.branches.open(branch);
      vectors.recordModel(puts);
      writePuts(ledger, branch, puts);
      return fresh.length;
    },
    () => prepareLines(engine, fresh, useVectors),
  );
}

function isStored({ embedder }: Vectors, row: VersionRow | undefined, line: Line): boolean {
  if (!row || row.value !== JSON.stringify(line.value)) return false;
  if (line.updatedAt !== undefined && Date.parse(line.updatedAt) !== row.updated_at) return false;
  return line.index === undefined || row.fields === indexedFields(embedder, line.index);
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
    return checked as CheckedPut;
  });
  const prepared = await preparePuts(engine, puts);
  return prepared.map((put, i) => {
    const line = lines[i] as Line;
    const vectors =
      useVectors && line.vectors
        ? line.vectors.map(({ path, hash, vector }) => ({
            path,
            hash: Buffer.from(hash, "hex"),
            vector: engine.vectors.embedder?.check(floats(vector)) as Float32Array,
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

function fileError(path: string, cause: unknown): unknown {
  const code = (cause as { code?: unknown }).code;
  if (typeof code !== "string" || !/^E[A-Z]+$/.test(code)) return cause;
  return new InputError("AGEMEM_INPUT_FILE", `${path} cannot be written: ${messageOf(cause)}`, {
    cause,
    remedy: "Check the path and its permissions.",
  });
}
