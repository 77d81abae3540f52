/**
 * The groups of a code table as bytes: partitions, how far a search looks into them, and where their codes are.
 *
 * Leaves out the codes themselves and the file (`sidecar-format.ts`), which has a checksum of these bytes.
 */
import { z } from "zod";
import { IntegerList } from "../columns.js";
import { bytesOf } from "../sidecar/checksum.js";
import { CodeGroup, PAGE_POSITIONS } from "./code-group.js";
import type { CodeTable } from "./code-table.js";
import { MOST_PARTITIONS, Partitions } from "./partitions.js";
import { rowWidth } from "./row-kernel.js";

/** What is said of a group before its arrays. */
interface SavedGroup {
  ns: number;
  /** First position; then come those of the other partitions. */
  from: number;
  /** Number of directions in each group of them. */
  sizes: number[];
  /** Null for a search that looks at all partitions. */
  reach: number | null;
  /** Number of pages. */
  pages: number;
}

/** The groups of a table, copied. */
export function saveGroups(codes: CodeTable): Uint8Array {
  const groups = [...codes.groups];
  const said = groups.map(([ns, group]): SavedGroup => {
    const reach = Number.isFinite(group.reach) ? group.reach : null;
    const pages = group.pages.reduce((sum, own) => sum + (own?.length ?? 0), 0);
    return { ns, from: group.first[0] ?? 0, sizes: [...group.partitions.sizes], reach, pages };
  });
  const json = Buffer.from(JSON.stringify(said));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  const arrays = groups.flatMap(([, { partitions, laid, paged, pages }]) => {
    const { rows, scales } = partitions.parts();
    const listed = Int32Array.from(pages.flatMap((own) => [...(own?.view() ?? [])]));
    return [laid, paged, listed, scales, rows].map(bytesOf);
  });
  return Buffer.concat([length, json, ...arrays]);
}

/** Gives a table with saved codes its groups. Returns false if they do not fit it. */
export function restoreGroups(
  codes: CodeTable,
  dims: number,
  saved: Uint8Array,
  nsOf: (slot: number) => number,
): boolean {
  const bytes = Buffer.from(saved.buffer, saved.byteOffset, saved.length);
  let at = 4 + (bytes.length >= 4 ? bytes.readUInt32LE(0) : 0);
  const said = groupsSaid(bytes.subarray(4, at));
  if (!said || at + arrayBytes(said, dims) !== bytes.length) return false;
  const fill = <T extends Int32Array | Float32Array | Int8Array>(target: T): T => {
    at += bytes.copy(bytesOf(target), 0, at);
    return target;
  };
  for (const { ns, from, sizes, reach, pages } of said) {
    const partitions = new Partitions(dims, sizes);
    const group = new CodeGroup(partitions, from, fill(new Int32Array(partitions.count)));
    group.paged.set(fill(new Int32Array(partitions.count)));
    const listed = fill(new Int32Array(pages));
    let taken = 0;
    for (const [i, count] of group.paged.entries()) {
      const own = Math.ceil(count / PAGE_POSITIONS);
      if (own > 0) group.pages[i] = IntegerList.from(listed.slice(taken, taken + own));
      taken += own;
      group.size += count;
    }
    const { rows, scales } = partitions.parts();
    fill(scales);
    fill(rows);
    group.reach = reach ?? Number.POSITIVE_INFINITY;
    if (taken !== pages || !fits(codes, group, (slot) => nsOf(slot) === ns)) return false;
    codes.groups.set(ns, group);
  }
  return true;
}

/** What is said of the groups; null if it is not what {@link saveGroups} writes. */
function groupsSaid(json: Buffer): SavedGroup[] | null {
  const count = z.number().int().nonnegative();
  const group = z.object({
    ns: count,
    from: count,
    sizes: z.array(count.max(MOST_PARTITIONS)).max(MOST_PARTITIONS),
    reach: z.number().nullable(),
    pages: count,
  });
  try {
    return z.array(group).parse(JSON.parse(json.toString("utf8")));
  } catch {
    // Not ours: codes are made anew.
    return null;
  }
}

function arrayBytes(said: readonly SavedGroup[], dims: number): number {
  const each = said.map(({ sizes, pages }) => {
    const count = sizes.reduce((sum, size) => sum + size, 0);
    return count * 8 + pages * 4 + (count + sizes.length) * (4 + rowWidth(dims));
  });
  return each.reduce((sum, own) => sum + own, 0);
}

/** Whether all codes of a group exist, and are of its namespace. */
function fits(codes: CodeTable, group: CodeGroup, belongs: (slot: number) => boolean): boolean {
  const slots = codes.slots.view();
  let good = true;
  for (let partition = 0; partition < group.laid.length; partition++) {
    group.eachRun(partition, (first, count) => {
      for (let position = first; position < first + count; position++) {
        const slot = slots[position] ?? -1;
        good &&= slot >= 0 && belongs(slot);
      }
    });
  }
  return good;
}
