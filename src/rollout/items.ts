/** Every memory item a rollout stored at some time, with its last content: what rewards and memory quality look at. */

import type { StepRecord } from "../trajectory/schema.js";
import type { MemoryItemRecord } from "../trajectory/schema-parts.js";
import type { MemoryValue, VersionedStore } from "../types.js";

/** Reads the items that the recorded ADDs made from the rollout's fork; deleted ones from their history. */
export async function collectItems(
  steps: readonly StepRecord[],
  store: VersionedStore,
  namespace: string[],
): Promise<MemoryItemRecord[]> {
  const added = steps.flatMap((step) =>
    step.memory_ops.filter((op) => op.ok && op.op === "ADD").flatMap((op) => op.memory_ids),
  );
  const items: MemoryItemRecord[] = [];
  for (const id of new Set(added)) {
    const present = await store.get(namespace, id);
    const value = present?.value ?? (await store.history(namespace, id)).find((entry) => entry.value)?.value;
    const { content = "", memory_type = null } = (value ?? {}) as Partial<MemoryValue>;
    items.push({ id, content, memory_type, present: present !== null });
  }
  return items;
}
