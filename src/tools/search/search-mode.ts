/**
 * How RETRIEVE and the search for duplicates rank, in stores that rank in more ways than one.
 *
 * Owns the default and what a store can do. Leaves out the ranking itself, which is the store's.
 */
import type { BaseStore } from "@langchain/langgraph";
import { ConfigError } from "../../errors.js";
import { SEARCH_MODES, type SearchMode } from "../../types.js";

/** The modes that the store says it has; undefined for a store with one way only, which it does not name. */
function modesOf(store: BaseStore): readonly SearchMode[] | undefined {
  return (store as { searchModes?: readonly SearchMode[] }).searchModes;
}

/**
 * The mode that RETRIEVE asks the store for: the wanted one, else hybrid where the store has it. Undefined for a store
 * that has one way only.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` where the store does not have the wanted one
 */
export function retrievalMode(store: BaseStore, wanted?: SearchMode): SearchMode | undefined {
  const modes = modesOf(store);
  if (wanted === undefined) return modes?.includes("hybrid") ? "hybrid" : modes?.[0];
  if (modes?.includes(wanted)) return wanted;
  if (!SEARCH_MODES.includes(wanted)) {
    throw new ConfigError("AGEMEM_CONFIG_INVALID", `searchMode is ${JSON.stringify(wanted)}`, {
      remedy: `Give one of ${SEARCH_MODES.join(", ")}.`,
    });
  }
  const known = modes ? `it has ${modes.join(", ")}` : "it ranks in one way of its own";
  throw new ConfigError("AGEMEM_CONFIG_INVALID", `The store does not search by "${wanted}" (${known})`, {
    remedy: "Leave searchMode out, or open a FaissStore with `index: { embeddings }`.",
  });
}

/**
 * Which score of a search tells near copies apart: a similarity, which has a threshold. Ranks and BM25 have none, so a
 * store that has no vectors finds equal texts only.
 */
export function similaritySearch(store: BaseStore): { mode?: SearchMode; scored: boolean } {
  const modes = modesOf(store);
  if (!modes) return { scored: true };
  return modes.includes("vector") ? { mode: "vector", scored: true } : { scored: false };
}
