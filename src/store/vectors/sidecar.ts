/**
 * The sidecar: a file beside the database with the vectors and their codes, so that opening need not build them again.
 *
 * It is derived data and may be deleted. It is used only if its checksums are right and it names this store, this
 * epoch, this embedding model and the token of the database's last checkpoint; later rows are read from SQLite.
 * Otherwise (torn, changed, stale, of another store, of another format) it is ignored. Leaves out when it is saved
 * (`checkpoints.ts`).
 */
import { closeSync, fstatSync, openSync, readdirSync, readSync, renameSync, rmSync, statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { toStoreError } from "../rows/database.js";
import type { Ledger } from "../rows/ledger.js";
import { bytesOf, crc32 } from "./checksum.js";
import { PAGE_POSITIONS } from "./codes/code-group.js";
import { CodeTable, strideFor } from "./codes/code-table.js";
import { Coder, LEAST_DIMS } from "./codes/coder.js";
import { restoreGroups, saveGroups } from "./codes/saved-groups.js";
import type { Embedder } from "./embedder.js";
import { storedModel } from "./embedding-model.js";
import { rowBytes } from "./stored-rows.js";
import { type SavedColumns, VectorTable } from "./vector-table.js";
import type { Vectors } from "./vectors.js";

export const SIDECAR_FILE = "vectors.index";
const MAGIC = "AGEMEMIX";
const SIDECAR_FORMAT = 4;
const PREFIX_BYTES = 20;
/** Bytes that are copied and written before other work may run. */
const PIECE_BYTES = 512 * 1024;
/** The checksum with the most digits. */
const WIDEST_CRC = 2 ** 32 - 1;
/** Key of the database's token, which its sidecar must have too. */
export const SIDECAR_TOKEN = "sidecar_token";

/** After the vectors: the center, the slot at each position, the codes, and their groups. */
interface SavedCodes {
  /** How many slots, from the first, have codes, and the bytes of each code. */
  slots: number;
  stride: number;
  positions: number;
  groupBytes: number;
}

interface Header {
  storeId: string;
  epoch: string;
  token: string;
  lastVersion: number;
  dims: number;
  /** Whether a component takes a byte. */
  quantized: boolean;
  embedding: string;
  size: number;
  /** Branch and its newest revision. */
  tips: [number, number][];
  /** Branch, item, and the first revision at which the branch wrote the item. */
  overrides: [number, number, number][];
  codes: SavedCodes | null;
  /** CRC-32 of everything after the header. */
  crc: number;
}

/**
 * Writes the vectors in memory to the sidecar in `directory`, with the given token. Searches and writes continue meanwhile.
 *
 * @returns false when memory was dropped before the file was complete, so that there is none
 */
export async function writeSidecar(
  directory: string,
  token: string,
  ledger: Ledger,
  vectors: Vectors,
): Promise<boolean> {
  const path = join(directory, SIDECAR_FILE);
  const temporary = `${path}.${process.pid}.${token.slice(0, 8)}.tmp`;
  const { table } = vectors;
  try {
    removeLeftovers(directory);
    await writeFile(temporary, token, ledger, vectors);
    const stands = vectors.table === table;
    if (stands) renameSync(temporary, path);
    else rmSync(temporary, { force: true });
    return stands;
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw toStoreError(cause);
  }
}

/** Removes temporary files of processes that were killed while saving. */
function removeLeftovers(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (!name.startsWith(`${SIDECAR_FILE}.`)) continue;
    const path = join(directory, name);
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > 600_000) rmSync(path, { force: true });
  }
}

async function writeFile(path: string, token: string, ledger: Ledger, vectors: Vectors): Promise<void> {
  const table = vectors.table as VectorTable;
  const { codes } = vectors.indexes;
  const groups = codes ? saveGroups(codes) : new Uint8Array(0);
  const header: Header = {
    storeId: ledger.db.getMeta("store_id") ?? "",
    epoch: ledger.epoch,
    token,
    lastVersion: ledger.lastVersion,
    dims: table.dims,
    quantized: table.quantized,
    embedding: vectors.embedder?.name ?? "",
    size: table.size,
    tips: ledger.newestByBranch(),
    overrides: [...ledger.overrides].flatMap(([branch, items]) =>
      [...items].map(([item, rev]): [number, number, number] => [branch, item, rev]),
    ),
    codes: codes && {
      slots: codes.covered,
      stride: codes.kernel.stride,
      positions: codes.slots.length,
      groupBytes: groups.length,
    },
    crc: WIDEST_CRC,
  };
  // The header stands first and is known last: spaces fill what it does not need.
  const room = Buffer.byteLength(JSON.stringify(header));
  const file = await open(path, "wx");
  try {
    let at = PREFIX_BYTES + room;
    header.crc = 0;
    for (const piece of bodyOf(table, header, codes, groups)) {
      header.crc = crc32(piece, header.crc);
      await writeAll(file, piece, at);
      at += piece.length;
    }
    const json = Buffer.alloc(room, " ");
    json.write(JSON.stringify(header));
    const prefix = Buffer.alloc(PREFIX_BYTES);
    prefix.write(MAGIC, 0, "latin1");
    prefix.writeUInt32LE(SIDECAR_FORMAT, 8);
    prefix.writeUInt32LE(json.length, 12);
    prefix.writeUInt32LE(crc32(json), 16);
    await writeAll(file, Buffer.concat([prefix, json]), 0);
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * The state of memory that the header describes, in pieces. Each is a copy, since rows are appended meanwhile. A row may
 * already say by which later one it was ended; reading that one again says the same.
 */
function* bodyOf(
  table: VectorTable,
  { size, codes: saved }: Header,
  codes: CodeTable | null,
  groups: Uint8Array,
) {
  const { version, item, ns, branch, rev, end, born } = table;
  for (const column of [version, item, rev, born, end]) {
    for (const [from, to] of ranges(size, 8)) yield bytesOf(column.numbers(from, to));
  }
  for (const column of [ns, branch]) {
    for (const [from, to] of ranges(size, 4)) yield bytesOf(column.numbers(from, to));
  }
  for (let slot = 0; slot < size; ) {
    const most = Math.ceil(PIECE_BYTES / table.rows.bytesEach);
    const { bytes, rows } = table.rows.pieceFrom(slot, Math.min(size - slot, most));
    yield bytes.slice();
    slot += rows;
  }
  if (!codes || !saved) return;
  yield bytesOf(codes.coder.center.slice());
  for (const [from, to] of ranges(saved.positions, 4)) yield bytesOf(codes.slots.view().slice(from, to));
  for (const [from, to] of ranges(saved.positions * saved.stride, 1)) {
    yield codes.kernel.records(saved.positions).slice(from, to);
  }
  yield groups;
}

/** Ranges of the numbers below `count`, a piece each. */
function* ranges(count: number, bytesEach: number): Generator<[from: number, to: number]> {
  const step = PIECE_BYTES / bytesEach;
  for (let from = 0; from < count; from += step) yield [from, Math.min(count, from + step)];
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    at += (await file.write(bytes, at, bytes.length - at, position + at)).bytesWritten;
  }
}

/** Loads the sidecar into empty memory. Returns whether it could be used; if not, memory is unchanged. */
export function readSidecar(ledger: Ledger, vectors: Vectors): boolean {
  const { directory } = ledger.db;
  if (!directory || !vectors.embedder) return false;
  let file: number;
  try {
    file = openSync(join(directory, SIDECAR_FILE), "r");
  } catch {
    // Missing or unreadable: everything is read from SQLite instead.
    return false;
  }
  try {
    const header = readHeader(file);
    if (!header || !fits(header, ledger, vectors.embedder)) return false;
    const loaded = readBody(file, header);
    if (!loaded) return false;
    vectors.table = loaded.table;
    vectors.saved = { version: header.lastVersion, codes: header.codes?.slots ?? 0 };
    ledger.lastVersion = header.lastVersion;
    for (const [branch, rev] of header.tips) ledger.setNewest(branch, rev);
    for (const [branch, item, rev] of header.overrides) ledger.setOverride(branch, item, rev);
    if (loaded.codes) vectors.indexes.restore(loaded.table, loaded.codes);
    return true;
  } finally {
    closeSync(file);
  }
}

function readHeader(file: number): Header | null {
  const size = fstatSync(file).size;
  const prefix = Buffer.alloc(PREFIX_BYTES);
  if (size < PREFIX_BYTES || !readAll(file, prefix)) return null;
  const length = prefix.readUInt32LE(12);
  if (prefix.toString("latin1", 0, 8) !== MAGIC || prefix.readUInt32LE(8) !== SIDECAR_FORMAT) return null;
  if (length > size - PREFIX_BYTES) return null;
  const json = Buffer.alloc(length);
  if (!readAll(file, json) || crc32(json) !== prefix.readUInt32LE(16)) return null;
  const header = JSON.parse(json.toString("utf8")) as Header;
  return PREFIX_BYTES + length + bodyBytes(header) === size ? header : null;
}

function bodyBytes({ size, dims, quantized, codes }: Header): number {
  const vectors = size * (5 * 8 + 2 * 4 + rowBytes(dims, quantized));
  return codes ? vectors + dims * 4 + codes.positions * (4 + codes.stride) + codes.groupBytes : vectors;
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

interface Body {
  table: VectorTable;
  codes: CodeTable | null;
}

function readBody(file: number, header: Header): Body | null {
  const { size, dims, quantized } = header;
  let crc = 0;
  let whole = true;
  const fill = <T extends Float64Array | Float32Array | Int32Array | Uint8Array>(target: T): T => {
    const bytes = bytesOf(target);
    whole &&= readAll(file, bytes);
    crc = crc32(bytes, crc);
    return target;
  };
  const [version, item, rev, born, end] = Array.from({ length: 5 }, () => fill(new Float64Array(size)));
  const [ns, branch] = Array.from({ length: 2 }, () => fill(new Int32Array(size)));
  const table = new VectorTable(dims, quantized);
  table.restore({ version, item, ns, branch, rev, end, born } as SavedColumns, fill);
  const codes = header.codes && readCodes(table, header.codes, fill);
  return whole && crc === header.crc ? { table, codes: codes?.() ?? null } : null;
}

/** Reads the codes of a table. The function that it returns makes the table of codes, once the checksum is known. */
function readCodes(
  table: VectorTable,
  { slots: covered, stride, positions, groupBytes }: SavedCodes,
  fill: <T extends Float32Array | Int32Array | Uint8Array>(target: T) => T,
): () => CodeTable | null {
  const center = fill(new Float32Array(table.dims));
  const slots = fill(new Int32Array(positions));
  const records = fill(new Uint8Array(positions * stride));
  const groups = fill(new Uint8Array(groupBytes));
  return () => {
    const codes = new CodeTable(table, new Coder(center));
    const fits = codes.restore(slots, records, covered);
    return fits && restoreGroups(codes, table.dims, groups, (slot) => table.ns.at(slot)) ? codes : null;
  };
}

function readAll(file: number, target: Uint8Array): boolean {
  for (let at = 0; at < target.length; ) {
    const n = readSync(file, target, at, target.length - at, null);
    if (n === 0) return false;
    at += n;
  }
  return true;
}
