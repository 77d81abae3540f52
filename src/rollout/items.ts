/** Every memory item that a rollout ever stored, with its last content, as rewards and memory quality need them. */
import type { StepRecord } from "../trajectory/schema.js";
import type { MemoryItemRecord } from "../trajectory/schema-parts.js";
import type { MemoryValue, VersionedStore } from "../types.js";

/** Reads from the rollout's fork what the recorded ADDs made; the content of deleted items comes from their history. */
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
