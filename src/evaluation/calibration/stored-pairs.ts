/** Pairs from an existing store: memories that were both kept are not duplicates, however similar. */
import type { BaseStore } from "@langchain/langgraph";
import type { ScoredPair } from "./threshold.js";

/** Most memories to look at. */
const SAMPLE = 500;
/** Neighbors of each of them. */
const NEIGHBORS = 3;

/**
 * The nearest other memories of up to 500 memories, as pairs that do not match.
 *
 * @param namespace prefix to search; default: the whole store
 * @example
 * const pairs = [...(await scorePairs(statementPairs(), embed)), ...(await storedPairs(store))];
 */
export async function storedPairs(store: BaseStore, namespace: string[] = []): Promise<ScoredPair[]> {
  const items = await store.search(namespace, { limit: SAMPLE });
  const pairs: ScoredPair[] = [];
  for (const item of items) {
    const { content } = item.value as { content?: unknown };
    if (typeof content !== "string" || content === "") continue;
    const near = await store.search(item.namespace, { query: content, limit: NEIGHBORS + 1 });
    for (const { key, score, namespace: of } of near) {
      const other = key !== item.key && of.join("\0") === item.namespace.join("\0");
      if (other && score !== undefined) pairs.push({ score, match: false, group: "stored" });
    }
  }
  return pairs;
}
