/**
 * How RETRIEVE and the search for duplicates rank memories in stores with several search modes.
 *
 * Owns the default mode and the check that the store has it. Leaves out the ranking, which is the store's.
 */
import type { BaseStore } from "@langchain/langgraph";
import { ConfigError } from "../../errors.js";
import type { MemorySearchOptions } from "../../store/search/search-options.js";
import { SEARCH_MODES, type SearchMode } from "../../types.js";

/** The modes the store declares; undefined for a store that declares none, such as LangGraph's own. */
function modesOf(store: BaseStore): readonly SearchMode[] | undefined {
  return (store as { searchModes?: readonly SearchMode[] }).searchModes;
}

/**
 * The mode that RETRIEVE asks the store for: the wanted one; by default hybrid if the store has it, else its first.
 * Undefined for a store that declares no modes.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` if the store lacks the wanted mode
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
  const known = modes ? `it has ${modes.join(", ")}` : "it has a single mode of its own";
  throw new ConfigError("AGEMEM_CONFIG_INVALID", `The store has no search mode "${wanted}" (${known})`, {
    remedy: "Leave searchMode out, or open a FaissStore with `index: { embeddings }`.",
  });
}

/** The search options of a `FaissStore` that RETRIEVE takes over. */
export type RetrievalRanking = Pick<MemorySearchOptions, "neighbors" | "recency" | "rerank">;

/**
 * The search options for RETRIEVE, which only a store that declares its modes understands.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for any other store, which would ignore them
 */
export function retrievalRanking(store: BaseStore, wanted?: RetrievalRanking): RetrievalRanking | undefined {
  if (wanted === undefined || modesOf(store)) return wanted;
  throw new ConfigError(
    "AGEMEM_CONFIG_INVALID",
    "The store has no ranking options: it ranks in its own way",
    {
      remedy: "Leave ranking out, or use a FaissStore.",
    },
  );
}

/**
 * How to search for near copies: by similarity, the only score with a meaningful threshold (ranks and BM25 have none).
 * A store without vectors therefore finds only equal texts.
 */
export function similaritySearch(store: BaseStore): {
  mode?: SearchMode;
  embedAs?: "document";
  scored: boolean;
} {
  const modes = modesOf(store);
  if (!modes) return { scored: true };
  return modes.includes("vector") ? { mode: "vector", embedAs: "document", scored: true } : { scored: false };
}
