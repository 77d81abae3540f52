/** A search scope, which is a namespace prefix, and its slots. */
import type { NamespaceRow } from "../rows/namespaces.js";
import type { VectorTable } from "./vector-table.js";

/** What a search covers: a namespace prefix, and the namespaces below it. */
export interface Scope {
  prefix: readonly string[];
  namespaces: readonly NamespaceRow[];
}

/** The slots of a scope: an ascending list for each namespace. */
export function slotLists(table: VectorTable, { namespaces }: Scope): Int32Array[] {
  const lists: Int32Array[] = [];
  for (const { id } of namespaces) {
    const slots = table.slotsOf(id);
    if (slots) lists.push(slots.view());
  }
  return lists;
}

/** The total number of slots in some lists. */
export function sizeOf(lists: readonly Int32Array[]): number {
  return lists.reduce((sum, list) => sum + list.length, 0);
}

/** The slots of some lists, merged in ascending order. */
export function merge(lists: readonly Int32Array[]): Int32Array {
  if (lists.length === 1) return lists[0] as Int32Array;
  const out = new Int32Array(sizeOf(lists));
  let at = 0;
  for (const list of lists) {
    out.set(list, at);
    at += list.length;
  }
  return out.sort();
}
