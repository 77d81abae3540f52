/** The rows of the table `versions`: as they are read, as a search result needs them, and as they were just written. */

/** A row of `versions` with the item's key. */
export interface VersionRow {
  id: number;
  item: number;
  ns: number;
  branch: number;
  rev: number;
  /** Revision that replaced the row on its own branch; null while it is current. */
  end_rev: number | null;
  /** Id of the row it replaced on its own branch. */
  prev: number | null;
  /** Id of the row with which the item's present life began: gives creation order. */
  born: number;
  /** 1 for a put, 0 for a deletion. */
  op: number;
  created_at: number;
  updated_at: number;
  expires_at: number | null;
  /** Minutes. */
  ttl: number | null;
  /** JSON of the indexed paths, or of false. */
  fields: string | null;
  /** JSON of the value. */
  value: string | null;
  key: string;
}

/** A row as a search result needs it. */
export type FoundRow = Omit<VersionRow, "item" | "branch" | "rev" | "end_rev" | "prev" | "fields">;

/** A row that was just written, as memory takes it over. */
export type WrittenRow = Pick<
  VersionRow,
  "id" | "item" | "ns" | "branch" | "rev" | "end_rev" | "prev" | "born" | "op"
> & { vectors: Float32Array[] };

/** Whether a row holds an item at a time (milliseconds since the epoch): neither deleted nor expired. */
export function isLive(row: Pick<VersionRow, "op" | "expires_at">, now = Date.now()): boolean {
  return row.op === 1 && (row.expires_at === null || row.expires_at > now);
}
