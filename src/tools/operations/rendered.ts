/** Stored items as the context shows them, including items that other programs stored. */
import type { BaseStore, Item } from "@langchain/langgraph";
import type { MemoryValue } from "../../types.js";

type FoundItem = Item & Pick<Awaited<ReturnType<BaseStore["search"]>>[number], "score">;

/** The item with every field that is shown; `scored` says whether its score means anything by itself. */
export function toRendered(item: FoundItem, scored = true) {
  const value = item.value as Partial<MemoryValue>;
  return {
    id: item.key,
    value: {
      content: contentOf(item),
      memory_type: value.memory_type ?? "fact",
      metadata: value.metadata ?? {},
      source: value.source ?? {},
    },
    ...(item.score === undefined || !scored ? {} : { score: item.score }),
    createdAt: item.createdAt,
    updatedAt: item.updatedAt,
  };
}

/** The text of a stored memory; the whole value as JSON for an item of another program that has no `content`. */
export function contentOf(item: Pick<Item, "value">): string {
  const { content } = item.value as Partial<MemoryValue>;
  return typeof content === "string" ? content : JSON.stringify(item.value);
}
