/**
 * Does once for the memories of one response what each operation would do by itself: one request to the embedding model, one
 * sync of the disk.
 *
 * Each operation sees what the ones before it stored, and fails alone, so they cannot be written as one; but what they are
 * about to embed is known beforehand, and the model sees no answer before all of them are done. Leaves out the request and the
 * sync (the store's).
 */
import type { BaseStore } from "@langchain/langgraph";
import type { MemoryOp } from "../../types.js";
import type { MemoryLimits } from "../limits.js";

/** A call to a memory operation, with arguments that nobody has checked yet. */
interface ComingCall {
  op: MemoryOp;
  args: unknown;
}

/**
 * Embeds what the calls will store, if the store can do that and there is more than one text. What the limits refuse is
 * not embedded: a model decides how much it writes, and each text costs.
 */
export async function embedAhead(
  store: BaseStore,
  { characters, operations }: MemoryLimits,
  calls: readonly ComingCall[],
): Promise<void> {
  const texts = calls.slice(0, operations).flatMap(({ op, args }) => {
    const content = (args as { content?: unknown } | null)?.content;
    const stored = (op === "ADD" || op === "UPDATE") && typeof content === "string";
    return stored && content !== "" && content.length <= characters ? [content] : [];
  });
  if (texts.length < 2 || !canEmbedAhead(store)) return;
  // A text that the model refuses must fail its own call only, so each call then asks for its own.
  await store.embedAhead(texts).catch(() => undefined);
}

/** Runs the calls, if the store can do that with one sync for all that they write. */
export function syncTogether<T>(
  store: BaseStore,
  calls: readonly ComingCall[],
  run: () => Promise<T>,
): Promise<T> {
  const writes = calls.filter(({ op }) => op === "ADD" || op === "UPDATE" || op === "DELETE");
  return writes.length > 1 && canSyncTogether(store) ? store.syncTogether(run) : run();
}

function canSyncTogether(
  store: BaseStore,
): store is BaseStore & { syncTogether<T>(work: () => Promise<T>): Promise<T> } {
  return typeof (store as { syncTogether?: unknown }).syncTogether === "function";
}

function canEmbedAhead(
  store: BaseStore,
): store is BaseStore & { embedAhead(texts: string[]): Promise<void> } {
  return typeof (store as { embedAhead?: unknown }).embedAhead === "function";
}
