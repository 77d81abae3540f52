/** Finds the embedding model a store was opened with, so that FILTER measures similarity as RETRIEVE does. */
import type { EmbeddingsInterface } from "@langchain/core/embeddings";
import type { BaseStore } from "@langchain/langgraph";

/** Where LangGraph's stores keep their embedding model: the in-memory store, and the one for PostgreSQL. */
interface IndexedStore {
  indexConfig?: IndexConfig | undefined;
  core?: { indexConfig?: IndexConfig | undefined };
}

interface IndexConfig {
  embeddings?: unknown;
  embed?: unknown;
}

/**
 * The store's own embedding model; undefined for a store that has none or does not expose it.
 *
 * @example
 * embeddingsOf(await FaissStore.open(":memory:", { index: { embeddings } })) === embeddings; // true
 */
export function embeddingsOf(store: BaseStore): EmbeddingsInterface | undefined {
  const { indexConfig, core } = store as IndexedStore;
  const { embeddings, embed } = indexConfig ?? core?.indexConfig ?? {};
  if (isEmbeddings(embeddings)) return embeddings;
  if (isEmbeddings(embed)) return embed;
  if (typeof embed !== "function") return undefined;
  const embedDocuments = async (texts: string[]) => (await embed(texts)) as number[][];
  return { embedDocuments, embedQuery: async (text) => (await embedDocuments([text]))[0] ?? [] };
}

function isEmbeddings(value: unknown): value is EmbeddingsInterface {
  return typeof (value as Partial<EmbeddingsInterface> | undefined)?.embedDocuments === "function";
}
