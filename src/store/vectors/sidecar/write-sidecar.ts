/**
 * Writes the sidecar (`sidecar-format.ts`) in pieces, between which searches and writes continue.
 *
 * Leaves out when that is due (`checkpoints.ts`) and reading it (`read-sidecar.ts`).
 */
import { readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { toStoreError } from "../../rows/database.js";
import type { Ledger } from "../../rows/ledger.js";
import type { CodeTable } from "../codes/code-table.js";
import { saveGroups } from "../codes/saved-groups.js";
import { blockRows } from "../row-chunks.js";
import type { VectorTable } from "../vector-table.js";
import type { Vectors } from "../vectors.js";
import { bytesOf, crc32 } from "./checksum.js";
import { blockSums } from "./saved-rows.js";
import {
  factBytes,
  type Header,
  MAGIC,
  PREFIX_BYTES,
  SIDECAR_FILE,
  SIDECAR_FORMAT,
} from "./sidecar-format.js";

/** Bytes that are copied and written before other work may run. */
const PIECE_BYTES = 512 * 1024;
/** The checksum with the most digits. */
const WIDEST_CRC = 2 ** 32 - 1;

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
    const factsAt = PREFIX_BYTES + room;
    const sums = await writeRows(file, table, header.size, factsAt + factBytes(header));
    let at = factsAt;
    header.crc = 0;
    for (const piece of factsOf(table, header, codes, groups, sums)) {
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

/** Writes the vectors of the first `size` slots, from a place on. Returns the checksums of their blocks. */
async function writeRows(
  file: FileHandle,
  { rows: stored }: VectorTable,
  size: number,
  position: number,
): Promise<Uint32Array> {
  const { bytesEach } = stored;
  const together = blockRows(bytesEach);
  const most = Math.max(1, Math.floor(PIECE_BYTES / bytesEach / together)) * together;
  const sums: number[] = [];
  for (let slot = 0; slot < size; ) {
    const { bytes, rows } = stored.pieceFrom(slot, Math.min(size - slot, most));
    const copy = bytes.slice();
    sums.push(...blockSums(copy, bytesEach));
    await writeAll(file, copy, position + slot * bytesEach);
    slot += rows;
  }
  return Uint32Array.from(sums);
}

/**
 * What the header describes but for the vectors, in pieces. Each is a copy, since rows are appended meanwhile. A row may
 * already say by which later one it was ended; reading that one again says the same.
 */
function* factsOf(
  table: VectorTable,
  { size, codes: saved }: Header,
  codes: CodeTable | null,
  groups: Uint8Array,
  sums: Uint32Array,
) {
  const { version, item, ns, branch, rev, end, born } = table;
  for (const column of [version, item, rev, born, end]) {
    for (const [from, to] of ranges(size, 8)) yield bytesOf(column.numbers(from, to));
  }
  for (const column of [ns, branch]) {
    for (const [from, to] of ranges(size, 4)) yield bytesOf(column.numbers(from, to));
  }
  if (codes && saved) {
    yield bytesOf(codes.coder.center.slice());
    for (const [from, to] of ranges(saved.positions, 4)) yield bytesOf(codes.slots.view().slice(from, to));
    for (const [from, to] of ranges(saved.positions * saved.stride, 1)) {
      yield codes.kernel.blocks(saved.positions).slice(from, to);
    }
    yield groups;
  }
  yield bytesOf(sums);
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
