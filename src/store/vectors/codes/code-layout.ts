/**
 * Lays the codes of a table out anew: those of a large namespace by partition, the others page by page.
 *
 * Leaves out when that is due (`code-upkeep.ts`) and how partitions are found (`train-partitions.ts`).
 */
import type { VectorTable } from "../vector-table.js";
import { CodeGroup } from "./code-group.js";
import { CodeTable } from "./code-table.js";
import type { Partitions } from "./partitions.js";

/** Codes copied, or vectors placed, before other work may run. */
const SLICE = 64;

/**
 * A table with the codes of another. Yields between slices.
 *
 * @param plans partitions by namespace
 */
export function* layOut(
  table: VectorTable,
  codes: CodeTable,
  plans: ReadonlyMap<number, Partitions>,
): Generator<void, CodeTable> {
  const end = codes.covered;
  const made = new CodeTable(table, codes.coder);
  for (const [ns, partitions] of plans) {
    const slots = (table.slotsOf(ns)?.view() ?? new Int32Array(0)).filter((slot) => slot < end);
    const places = new Uint16Array(slots.length);
    const laid = new Int32Array(partitions.count);
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i] as number;
      const partition = partitions.of(table.chunkOf(slot), table.offsetOf(slot));
      places[i] = partition;
      laid[partition] = (laid[partition] as number) + 1;
      if (i % SLICE === 0) yield;
    }
    const group = new CodeGroup(partitions, made.allocate(slots.length), laid);
    made.groups.set(ns, group);
    const next = group.first.slice();
    for (let i = 0; i < slots.length; i++) {
      const partition = places[i] as number;
      const position = next[partition] as number;
      made.copy(codes, slots[i] as number, position);
      next[partition] = position + 1;
      if (i % SLICE === 0) yield;
    }
  }
  for (let slot = 0; slot < end; slot++) {
    if (!plans.has(table.ns.at(slot))) made.copy(codes, slot, made.place(slot));
    if (slot % SLICE === 0) yield;
  }
  made.covered = end;
  return made;
}
