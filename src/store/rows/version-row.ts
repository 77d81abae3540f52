/** The forms of rows of the table `versions`: as read, as a search result needs them, and as just written. */

/** A row of `versions`, with the item's key. */
export interface VersionRow {
  id: number;
  item: number;
  ns: number;
  branch: number;
  rev: number;
  /** Revision that replaced the row on its own branch; null while it is current. */
  end_rev: number | null;
  /** Id of the row that it replaced on its own branch; null if there was none. */
  prev: number | null;
  /** Id of the row that created the item, or created it again after a deletion; gives the order of creation. */
  born: number;
  /** 1 for a put, 0 for a deletion. */
  op: number;
  created_at: number;
  updated_at: number;
  expires_at: number | null;
  /** Minutes. */
  ttl: number | null;
  /** The indexed paths, or false, as JSON. */
  fields: string | null;
  /** The value as JSON. */
  value: string | null;
  key: string;
}

/** The columns that a search result needs. */
export type FoundRow = Omit<VersionRow, "item" | "branch" | "rev" | "end_rev" | "prev" | "fields">;

/** The columns of a new row that memory loads. */
export type WrittenRow = Pick<
  VersionRow,
  "id" | "item" | "ns" | "branch" | "rev" | "end_rev" | "prev" | "born" | "op"
> & { vectors: Float32Array[] };

/** Whether a row is neither a deletion nor expired at a time (Unix milliseconds). */
export function isLive(row: Pick<VersionRow, "op" | "expires_at">, now = Date.now()): boolean {
  return row.op === 1 && (row.expires_at === null || row.expires_at > now);
}
