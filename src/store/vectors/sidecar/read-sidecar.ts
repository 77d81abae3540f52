/**
 * Reads the sidecar (`sidecar-format.ts`) into empty memory, if it belongs to the state of the database.
 *
 * Opening a store fetches it ahead, several pieces at once, and outside of transactions; what it got is used only if it
 * still fits then. The vectors, most of the file, follow later: in the background, or when they are asked for
 * (`saved-rows.ts`). Leaves out writing (`write-sidecar.ts`).
 */
import { closeSync, fstatSync, openSync } from "node:fs";
import { join } from "node:path";
import type { Connection } from "../../rows/database.js";
import type { Ledger } from "../../rows/ledger.js";
import { readVector, toVector } from "../../rows/vector-rows.js";
import { PAGE_POSITIONS } from "../codes/code-group.js";
import { CodeTable, strideFor } from "../codes/code-table.js";
import { Coder, LEAST_DIMS } from "../codes/coder.js";
import { restoreGroups } from "../codes/saved-groups.js";
import type { Embedder } from "../embedder.js";
import { storedModel } from "../embedding-model.js";
import { rowBytes, type StoredRows, storedRows } from "../stored-rows.js";
import { VectorTable } from "../vector-table.js";
import type { Vectors } from "../vectors.js";
import { bytesOf, crc32 } from "./checksum.js";
import { readWhole, readWholeSync, SavedRows } from "./saved-rows.js";
import {
  factBytes,
  type Header,
  type LoadedSidecar,
  MAGIC,
  PREFIX_BYTES,
  rowBlocks,
  SIDECAR_FILE,
  SIDECAR_FORMAT,
  SIDECAR_TOKEN,
  type SidecarBody,
  vectorBytes,
} from "./sidecar-format.js";

/** Bytes read at a time: what the checksum reads next is then still in the processor's cache. */
const PIECE_BYTES = 1024 * 1024;
/** Pieces that are fetched at the same time. */
const AT_ONCE = 8;

/** Loads the sidecar into empty memory. Returns whether it could be used; if not, memory is unchanged. */
export function readSidecar(ledger: Ledger, vectors: Vectors): boolean {
  const { directory } = ledger.db;
  const { embedder } = vectors;
  if (!directory || !embedder) return false;
  const isOurs = (header: Header): boolean => fits(header, ledger, embedder);
  const { ahead } = vectors;
  vectors.ahead = null;
  if (ahead && isOurs(ahead.header)) return takeOver(ahead, ledger, vectors);
  if (ahead) closeSync(ahead.rows.file);
  const loaded = readNow(join(directory, SIDECAR_FILE), isOurs);
  return loaded !== null && takeOver(loaded, ledger, vectors);
}

/** Fetches the sidecar of a store that is being opened. Null when it is not there, damaged, or another model's. */
export async function readSidecarAhead(
  directory: string | null,
  { name, quantized }: Embedder,
): Promise<LoadedSidecar | null> {
  const isModels = (header: Header): boolean =>
    header.embedding === name && header.quantized === quantized && areOurs(header);
  const begun = directory === null ? null : begin(join(directory, SIDECAR_FILE), isModels);
  if (!begun) return null;
  const crc = await fetchAll(begun);
  return ended(begun, crc !== null && crc === begun.header.crc);
}

function readNow(path: string, isOurs: (header: Header) => boolean): LoadedSidecar | null {
  const begun = begin(path, isOurs);
  if (!begun) return null;
  let crc = 0;
  for (const { bytes, at } of piecesOf(begun)) {
    if (!readWholeSync(begun.file, bytes, at)) return ended(begun, false);
    crc = crc32(bytes, crc);
  }
  return ended(begun, crc === begun.header.crc);
}

/** A sidecar of which only the header was read. */
interface BegunSidecar {
  file: number;
  header: Header;
  /** Where in the file what the header describes begins. */
  bodyAt: number;
  /** Memory for that, still empty. */
  body: SidecarBody;
}

/** Opens a sidecar, and leaves it open if it is one that is wanted. */
function begin(path: string, isWanted: (header: Header) => boolean): BegunSidecar | null {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    // Missing or unreadable: everything is read from SQLite instead.
    return null;
  }
  let begun: BegunSidecar | null = null;
  try {
    const found = readHeader(file);
    if (found && isWanted(found.header)) begun = { file, ...found, body: emptyBody(found.header) };
  } finally {
    if (!begun) closeSync(file);
  }
  return begun;
}

function ended({ file, header, bodyAt, body }: BegunSidecar, isWhole: boolean): LoadedSidecar | null {
  if (!isWhole) {
    closeSync(file);
    return null;
  }
  const { size, dims, quantized } = header;
  const rows = { file, at: bodyAt + factBytes(header), size, bytesEach: rowBytes(dims, quantized) };
  return { header, body, rows: { ...rows, sums: body.sums } };
}

function readHeader(file: number): { header: Header; bodyAt: number } | null {
  const { size } = fstatSync(file);
  const prefix = Buffer.alloc(PREFIX_BYTES);
  if (size < PREFIX_BYTES || !readWholeSync(file, prefix, 0)) return null;
  const length = prefix.readUInt32LE(12);
  if (prefix.toString("latin1", 0, 8) !== MAGIC || prefix.readUInt32LE(8) !== SIDECAR_FORMAT) return null;
  if (length > size - PREFIX_BYTES) return null;
  const json = Buffer.alloc(length);
  if (!readWholeSync(file, json, PREFIX_BYTES) || crc32(json) !== prefix.readUInt32LE(16)) return null;
  const header = JSON.parse(json.toString("utf8")) as Header;
  const bodyAt = PREFIX_BYTES + length;
  const counts = isCount(header.size) && isCount(header.dims);
  return counts && bodyAt + factBytes(header) + vectorBytes(header) === size ? { header, bodyAt } : null;
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

/** Whether this release can use the codes, and they belong to vectors in the file. */
function areOurs({ size, dims, codes }: Header): boolean {
  if (codes === null) return true;
  const { slots, stride, positions, groupBytes } = codes;
  // Positions that are not in use yet belong to pages, which hold at least one code each.
  const counts = isCount(slots) && slots <= size && isCount(positions) && positions <= size * PAGE_POSITIONS;
  return dims >= LEAST_DIMS && stride === strideFor(dims) && counts && isCount(groupBytes);
}

function fits(header: Header, ledger: Ledger, embedder: Embedder): boolean {
  return (
    header.storeId === ledger.db.getMeta("store_id") &&
    header.epoch === ledger.storedEpoch() &&
    header.token === ledger.db.getMeta(SIDECAR_TOKEN) &&
    header.embedding === embedder.name &&
    header.dims === storedModel(ledger.db)?.dims &&
    header.quantized === embedder.quantized &&
    areOurs(header)
  );
}

/** Memory for what a header describes but for the vectors, still empty. */
function emptyBody({ size, dims, quantized, codes: saved }: Header): SidecarBody {
  const parts: Uint8Array[] = [];
  const part = <T extends Float64Array | Float32Array | Int32Array | Uint32Array | Uint8Array>(
    memory: T,
  ): T => {
    parts.push(bytesOf(memory));
    return memory;
  };
  const wide = () => part(new Float64Array(size));
  const [version, item, rev, born, end] = [wide(), wide(), wide(), wide(), wide()];
  const [ns, branch] = [part(new Int32Array(size)), part(new Int32Array(size))];
  const codes = saved && {
    center: part(new Float32Array(dims)),
    slots: part(new Int32Array(saved.positions)),
    records: part(new Uint8Array(saved.positions * saved.stride)),
    groups: part(new Uint8Array(saved.groupBytes)),
  };
  const sums = part(new Uint32Array(rowBlocks(size, rowBytes(dims, quantized))));
  return { columns: { version, item, ns, branch, rev, end, born }, codes, sums, parts };
}

interface FilePiece {
  bytes: Uint8Array;
  /** Where it is in the file. */
  at: number;
}

function* piecesOf({ bodyAt, body }: BegunSidecar): Generator<FilePiece> {
  let at = bodyAt;
  for (const part of body.parts) {
    for (let from = 0; from < part.length; from += PIECE_BYTES) {
      yield { bytes: part.subarray(from, from + PIECE_BYTES), at: at + from };
    }
    at += part.length;
  }
}

/** Reads everything but the vectors, several pieces at once. Returns its checksum; null if it cannot be read. */
async function fetchAll(begun: BegunSidecar): Promise<number | null> {
  const pieces = [...piecesOf(begun)];
  const fetched: Promise<boolean>[] = [];
  let crc = 0;
  for (const [i, { bytes }] of pieces.entries()) {
    for (const next of pieces.slice(fetched.length, i + AT_ONCE)) {
      fetched.push(readWhole(begun.file, next.bytes, next.at));
    }
    if (!(await fetched[i])) break;
    crc = crc32(bytes, crc);
  }
  // The file must not be closed under reads that are still going on.
  return (await Promise.all(fetched)).every(Boolean) ? crc : null;
}

/** Makes what was loaded the state of memory. */
function takeOver({ header, body, rows }: LoadedSidecar, ledger: Ledger, vectors: Vectors): boolean {
  const { columns, codes: saved } = body;
  const table = new VectorTable(header.dims, header.quantized);
  table.restore(columns, new SavedRows(rows, rowsOf(ledger.db, table)));
  let codes: CodeTable | null = null;
  if (saved && header.codes) {
    codes = new CodeTable(table, new Coder(saved.center));
    const isWhole =
      codes.restore(saved.slots, saved.records, header.codes.slots) &&
      restoreGroups(codes, table.dims, saved.groups, (slot) => table.ns.at(slot));
    if (!isWhole) codes = null;
  }
  vectors.table = table;
  vectors.saved = { version: header.lastVersion, codes: header.codes?.slots ?? 0 };
  ledger.lastVersion = header.lastVersion;
  for (const [branch, rev] of header.tips) ledger.setNewest(branch, rev);
  for (const [branch, item, rev] of header.overrides) ledger.setOverride(branch, item, rev);
  if (codes) vectors.indexes.restore(table, codes);
  void fetchRest(table.rows);
  return true;
}

/** Brings the vectors into memory, in the background. */
async function fetchRest(rows: StoredRows): Promise<void> {
  try {
    while (await rows.fetchNext());
  } catch {
    // Neither file nor database could be read. What asks for the vectors will say so, if that lasts.
  }
}

/** Reads the rows of a table from the database. Rows that a vacuum has removed meanwhile, which no view sees, become 0. */
function rowsOf(db: Connection, table: VectorTable): (from: number, target: Uint8Array) => void {
  return (from, target) => {
    const { dims, quantized } = table;
    const read = storedRows(dims, quantized);
    const count = target.length / read.bytesEach;
    for (let i = 0; i < count; i++) {
      const version = table.version.at(from + i);
      const found = readVector(db, version, from + i - table.firstSlotOf(version));
      read.append(i, found ? toVector(found, dims) : new Float32Array(dims));
    }
    target.set(read.pieceFrom(0, count).bytes);
  };
}
