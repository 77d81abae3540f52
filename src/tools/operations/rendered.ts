/** A stored item as it is shown in the context: also one that another program stored. */
import type { BaseStore, Item } from "@langchain/langgraph";
import type { MemoryValue } from "../../types.js";

type FoundItem = Item & Pick<Awaited<ReturnType<BaseStore["search"]>>[number], "score">;

/** The item with every field that is shown; its score where it is one. */
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

/** The text of a stored memory, also of an item that another program stored. */
export function contentOf(item: Pick<Item, "value">): string {
  const { content } = item.value as Partial<MemoryValue>;
  return typeof content === "string" ? content : JSON.stringify(item.value);
}
