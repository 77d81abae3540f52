/** A LangChain retriever over a namespace of a store, for use in chains. */
import type { CallbackManagerForRetrieverRun } from "@langchain/core/callbacks/manager";
import { Document } from "@langchain/core/documents";
import { BaseRetriever } from "@langchain/core/retrievers";
import type { MemorySearchOptions, SearchItem } from "./search-options.js";

export interface RetrieverOptions extends MemorySearchOptions {
  namespace: string[];
  /** Documents per query. Default 4, as in LangChain's vector stores. */
  k?: number;
  filter?: Record<string, unknown>;
}

interface Searchable {
  search(namespace: string[], options: object): Promise<SearchItem[]>;
}

export class StoreRetriever extends BaseRetriever {
  lc_namespace = ["agemem", "retrievers"];

  constructor(
    private readonly store: Searchable,
    private readonly options: RetrieverOptions,
  ) {
    super({});
  }

  override async _getRelevantDocuments(
    query: string,
    _run?: CallbackManagerForRetrieverRun,
  ): Promise<Document[]> {
    const { namespace, k = 4, ...search } = this.options;
    const items = await this.store.search(namespace, { ...search, query, limit: k });
    return items.map(
      ({ key, value, score, namespace: found }) =>
        new Document({
          id: key,
          pageContent: typeof value.content === "string" ? value.content : JSON.stringify(value),
          metadata: { ...(value.metadata as object | undefined), namespace: found, score },
        }),
    );
  }
}
