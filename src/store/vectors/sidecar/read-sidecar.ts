/**
 * Reads the sidecar (`sidecar-format.ts`) into empty memory, if it belongs to the state of the database.
 *
 * Most of the time goes into fetching the file, so opening a store does that ahead, several pieces at once, and outside
 * of transactions; what it got is used only if it still fits then. Leaves out writing (`write-sidecar.ts`).
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import type { Ledger } from "../../rows/ledger.js";
import { bytesOf, crc32 } from "../checksum.js";
import { PAGE_POSITIONS } from "../codes/code-group.js";
import { CodeTable, strideFor } from "../codes/code-table.js";
import { Coder, LEAST_DIMS } from "../codes/coder.js";
import { restoreGroups } from "../codes/saved-groups.js";
import type { Embedder } from "../embedder.js";
import { storedModel } from "../embedding-model.js";
import { VectorTable } from "../vector-table.js";
import type { Vectors } from "../vectors.js";
import {
  bodyBytes,
  type Header,
  type LoadedSidecar,
  MAGIC,
  PREFIX_BYTES,
  SIDECAR_FILE,
  SIDECAR_FORMAT,
  SIDECAR_TOKEN,
  type SidecarBody,
} from "./sidecar-format.js";

/** Bytes read at a time: what the checksum reads next is then still in the processor's cache. */
const PIECE_BYTES = 1024 * 1024;
/** Pieces that are fetched at the same time. */
const AT_ONCE = 8;

/** A header, and where in the file what it describes begins. */
interface FoundHeader {
  header: Header;
  bodyAt: number;
}

/** Loads the sidecar into empty memory. Returns whether it could be used; if not, memory is unchanged. */
export function readSidecar(ledger: Ledger, vectors: Vectors): boolean {
  const { directory } = ledger.db;
  const { embedder } = vectors;
  if (!directory || !embedder) return false;
  const isOurs = (header: Header): boolean => fits(header, ledger, embedder);
  const { ahead } = vectors;
  vectors.ahead = null;
  const loaded = ahead && isOurs(ahead.header) ? ahead : readNow(join(directory, SIDECAR_FILE), isOurs);
  return loaded !== null && takeOver(loaded, ledger, vectors);
}

/** Fetches the sidecar of a store that is being opened. Null when it is not there, damaged, or another model's. */
export async function readSidecarAhead(
  directory: string | null,
  { name, quantized }: Embedder,
): Promise<LoadedSidecar | null> {
  if (directory === null) return null;
  let file: FileHandle;
  try {
    file = await open(join(directory, SIDECAR_FILE), "r");
  } catch {
    // Missing or unreadable: everything is read from SQLite instead.
    return null;
  }
  try {
    const found = readHeader(file.fd);
    const isModels = found?.header.embedding === name && found.header.quantized === quantized;
    if (!found || !isModels || !areOurs(found.header)) return null;
    const body = emptyBody(found.header);
    return (await fetchAll(file, found, body.parts)) ? { header: found.header, body } : null;
  } finally {
    await file.close();
  }
}

function readNow(path: string, isOurs: (header: Header) => boolean): LoadedSidecar | null {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return null;
  }
  try {
    const found = readHeader(file);
    if (!found || !isOurs(found.header)) return null;
    const { header } = found;
    const body = emptyBody(header);
    let crc = 0;
    for (const { bytes, at } of piecesOf(found, body.parts)) {
      if (!readAll(file, bytes, at)) return null;
      crc = crc32(bytes, crc);
    }
    return crc === header.crc ? { header, body } : null;
  } finally {
    closeSync(file);
  }
}

function readHeader(file: number): FoundHeader | null {
  const size = fstatSync(file).size;
  const prefix = Buffer.alloc(PREFIX_BYTES);
  if (size < PREFIX_BYTES || !readAll(file, prefix, 0)) return null;
  const length = prefix.readUInt32LE(12);
  if (prefix.toString("latin1", 0, 8) !== MAGIC || prefix.readUInt32LE(8) !== SIDECAR_FORMAT) return null;
  if (length > size - PREFIX_BYTES) return null;
  const json = Buffer.alloc(length);
  if (!readAll(file, json, PREFIX_BYTES) || crc32(json) !== prefix.readUInt32LE(16)) return null;
  const header = JSON.parse(json.toString("utf8")) as Header;
  const bodyAt = PREFIX_BYTES + length;
  const counts = isCount(header.size) && isCount(header.dims);
  return counts && bodyAt + bodyBytes(header) === size ? { header, bodyAt } : null;
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

/** Memory for what a header describes, still empty. */
function emptyBody({ size, dims, quantized, codes: saved }: Header): SidecarBody {
  const parts: Uint8Array[] = [];
  const part = <T extends Float64Array | Float32Array | Int32Array | Uint8Array>(memory: T): T => {
    parts.push(bytesOf(memory));
    return memory;
  };
  const wide = () => part(new Float64Array(size));
  const [version, item, rev, born, end] = [wide(), wide(), wide(), wide(), wide()];
  const [ns, branch] = [part(new Int32Array(size)), part(new Int32Array(size))];
  const table = new VectorTable(dims, quantized);
  table.rows.restore(size, part);
  const codes = saved && {
    center: part(new Float32Array(dims)),
    slots: part(new Int32Array(saved.positions)),
    records: part(new Uint8Array(saved.positions * saved.stride)),
    groups: part(new Uint8Array(saved.groupBytes)),
  };
  return { table, columns: { version, item, ns, branch, rev, end, born }, codes, parts };
}

interface FilePiece {
  bytes: Uint8Array;
  /** Where it is in the file. */
  at: number;
}

function* piecesOf({ bodyAt }: FoundHeader, parts: readonly Uint8Array[]): Generator<FilePiece> {
  let at = bodyAt;
  for (const part of parts) {
    for (let from = 0; from < part.length; from += PIECE_BYTES) {
      yield { bytes: part.subarray(from, from + PIECE_BYTES), at: at + from };
    }
    at += part.length;
  }
}

/** Reads all parts, several pieces at once. Returns whether they are what was saved. */
async function fetchAll(
  file: FileHandle,
  found: FoundHeader,
  parts: readonly Uint8Array[],
): Promise<boolean> {
  const pieces = [...piecesOf(found, parts)];
  const fetched: Promise<boolean>[] = [];
  let crc = 0;
  for (const [i, { bytes }] of pieces.entries()) {
    for (const next of pieces.slice(fetched.length, i + AT_ONCE)) fetched.push(fetch(file, next));
    if (!(await fetched[i])) break;
    crc = crc32(bytes, crc);
  }
  // The file must not be closed under reads that are still going on.
  const whole = (await Promise.all(fetched)).every(Boolean);
  return whole && crc === found.header.crc;
}

async function fetch(file: FileHandle, { bytes, at }: FilePiece): Promise<boolean> {
  for (let done = 0; done < bytes.length; ) {
    // A disk that fails here fails the same way for the database, which then says so.
    const read = await file.read(bytes, done, bytes.length - done, at + done).catch(() => null);
    if (!read || read.bytesRead === 0) return false;
    done += read.bytesRead;
  }
  return true;
}

function readAll(file: number, target: Uint8Array, position: number): boolean {
  for (let at = 0; at < target.length; ) {
    const n = readSync(file, target, at, target.length - at, position + at);
    if (n === 0) return false;
    at += n;
  }
  return true;
}

/** Makes what was loaded the state of memory. */
function takeOver({ header, body }: LoadedSidecar, ledger: Ledger, vectors: Vectors): boolean {
  const { table, columns, codes: saved } = body;
  table.restore(columns);
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
  return true;
}
