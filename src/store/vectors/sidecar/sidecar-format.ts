/**
 * The sidecar: a file beside the database with the vectors and their codes, so that opening need not build them again.
 *
 * It is derived data and may be deleted. It is used only if its checksums are right and it names this store, this
 * epoch, this embedding model and the token of the database's last checkpoint; later rows are read from SQLite.
 * Otherwise (torn, changed, stale, of another store, of another format) it is ignored. Owns what the file consists of. Leaves out
 * writing it (`write-sidecar.ts`), reading it (`read-sidecar.ts`) and when it is saved (`checkpoints.ts`).
 */
import { rowBytes } from "../stored-rows.js";
import type { SavedColumns, VectorTable } from "../vector-table.js";

export const SIDECAR_FILE = "vectors.index";
export const MAGIC = "AGEMEMIX";
export const SIDECAR_FORMAT = 4;
export const PREFIX_BYTES = 20;
/** Key of the database's token, which its sidecar must have too. */
export const SIDECAR_TOKEN = "sidecar_token";

/** After the vectors: the center, the slot at each position, the codes, and their groups. */
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
  /** CRC-32 of everything after the header. */
  crc: number;
}

/** Bytes after the header: columns, rows, and the codes if there are any. */
export function bodyBytes({ size, dims, quantized, codes }: Header): number {
  const vectors = size * (5 * 8 + 2 * 4 + rowBytes(dims, quantized));
  return codes ? vectors + dims * 4 + codes.positions * (4 + codes.stride) + codes.groupBytes : vectors;
}

/** What a sidecar says, in memory. */
export interface LoadedSidecar {
  header: Header;
  body: SidecarBody;
}

export interface SidecarBody {
  /** With its rows only. */
  table: VectorTable;
  columns: SavedColumns;
  codes: { center: Float32Array; slots: Int32Array; records: Uint8Array; groups: Uint8Array } | null;
  /** The memory of all that, in the order of the file. */
  parts: Uint8Array[];
}
