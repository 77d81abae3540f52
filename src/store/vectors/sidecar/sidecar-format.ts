/**
 * The sidecar: a file beside the database with the vectors and their codes, so that opening need not build them again.
 *
 * It is derived data and may be deleted. It is used only if its checksums are right and it names this store, this
 * epoch, this embedding model and the token of the database's last checkpoint; later rows are read from SQLite.
 * The vectors have a checksum for each block, since they are read when they are needed. Otherwise (torn, changed, stale, of another store, of another format) it is ignored. Owns what the file consists of. Leaves out
 * writing it (`write-sidecar.ts`), reading it (`read-sidecar.ts`) and when it is saved (`checkpoints.ts`).
 */
import { blockRows } from "../row-chunks.js";
import { rowBytes } from "../stored-rows.js";
import type { SavedColumns } from "../vector-table.js";
import type { RowsInFile } from "./saved-rows.js";

export const SIDECAR_FILE = "vectors.index";
export const MAGIC = "AGEMEMIX";
export const SIDECAR_FORMAT = 6;
export const PREFIX_BYTES = 20;
/** Key of the database's token, which its sidecar must have too. */
export const SIDECAR_TOKEN = "sidecar_token";

/** After the columns: the center, the slot at each position, the codes, and their groups. */
export interface SavedCodes {
  /** How many slots, from the first, have codes, and the bytes of each code. */
  slots: number;
  stride: number;
  positions: number;
  groupBytes: number;
}

export interface Header {
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
  /** CRC-32 of everything after the header but the vectors. */
  crc: number;
}

/** Bytes after the header and before the vectors: columns, the codes if there are any, the vectors' checksums. */
export function factBytes({ size, dims, quantized, codes }: Header): number {
  const facts = size * (5 * 8 + 2 * 4) + rowBlocks(size, rowBytes(dims, quantized)) * 4;
  return codes ? facts + dims * 4 + codes.positions * (4 + codes.stride) + codes.groupBytes : facts;
}

/** Bytes of the vectors. */
export function vectorBytes({ size, dims, quantized }: Header): number {
  return size * rowBytes(dims, quantized);
}

/** In how many blocks rows are read. */
export function rowBlocks(size: number, bytesEach: number): number {
  return Math.ceil(size / blockRows(bytesEach));
}

/** What a sidecar says, in memory but for the vectors. */
export interface LoadedSidecar {
  header: Header;
  body: SidecarBody;
  rows: RowsInFile;
}

export interface SidecarBody {
  columns: SavedColumns;
  codes: { center: Float32Array; slots: Int32Array; records: Uint8Array; groups: Uint8Array } | null;
  sums: Uint32Array;
  /** The memory of all that, in the order of the file. */
  parts: Uint8Array[];
}
