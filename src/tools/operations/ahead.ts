/**
 * Embeds the memories of one response in one request, before the operations that store them run one after the other.
 *
 * Each operation sees what the ones before it stored, so they cannot be written as one; but what they are about to embed is
 * known beforehand. Leaves out the request (the store's).
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

function canEmbedAhead(
  store: BaseStore,
): store is BaseStore & { embedAhead(texts: string[]): Promise<void> } {
  return typeof (store as { embedAhead?: unknown }).embedAhead === "function";
}
