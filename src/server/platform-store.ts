/**
 * A store that delegates to the one LangGraph Platform (or `compile({ store })`) gives to a running graph.
 *
 * Owns only the delegation. The store a node sees accepts only single operations and drops `index` hints, so the server's
 * configuration (`store.index` of `langgraph.json`) decides what is embedded.
 */
import {
  BaseStore,
  getStore,
  type Operation,
  type OperationResults,
  type PutOperation,
  type SearchOperation,
} from "@langchain/langgraph";
import { ConfigError, StoreError } from "../errors.js";

/**
 * Delegates each operation to the store of the running graph.
 *
 * `batch` throws ConfigError `AGEMEM_CONFIG_INVALID` outside a running graph or if the graph has no store, and StoreError
 * `AGEMEM_STORE_UNSUPPORTED` for listing namespaces.
 */
export class PlatformStore extends BaseStore {
  async batch<Op extends Operation[]>(operations: Op): Promise<OperationResults<Op>> {
    const store = runningStore();
    const results = await Promise.all(operations.map((operation) => run(store, operation)));
    return results as OperationResults<Op>;
  }
}

function run(store: BaseStore, operation: Operation): Promise<unknown> {
  if ("value" in operation) {
    const { namespace, key, value } = operation as PutOperation;
    return value === null ? store.delete(namespace, key) : store.put(namespace, key, value);
  }
  if ("namespacePrefix" in operation) {
    const { namespacePrefix, ...options } = operation as SearchOperation;
    return store.search(namespacePrefix, options);
  }
  if ("key" in operation) return store.get(operation.namespace, operation.key);
  throw new StoreError(
    "AGEMEM_STORE_UNSUPPORTED",
    "The platform's store cannot list namespaces within a graph",
    {
      remedy: "Use the server's store API.",
    },
  );
}

function runningStore(): BaseStore {
  const store = getStore();
  if (store) return store;
  throw new ConfigError("AGEMEM_CONFIG_INVALID", "This graph runs without the platform's store", {
    remedy:
      "Run it on LangGraph Platform or `langgraphjs dev`, or set AGEMEM_STORE to faiss:DIRECTORY or postgres:URL.",
  });
}
