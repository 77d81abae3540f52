/**
 * A conformance suite for LangGraph.js stores, for any `BaseStore` and any test runner.
 *
 * Owns running cases, default capabilities and expected failures. Leaves out the cases (`store-cases/`, one file per part
 * of the contract). It prints nothing and asserts with `node:assert`.
 */
import type { BaseStore } from "@langchain/langgraph";
import type { StoreCapabilities, StoreCase } from "./store-cases/case.js";
import { filterCases } from "./store-cases/filters.js";
import { itemCases } from "./store-cases/items.js";
import { namespaceCases } from "./store-cases/namespaces.js";
import { searchCases } from "./store-cases/search.js";
import { vectorCases } from "./store-cases/vectors.js";
import { versionCases } from "./store-cases/versions.js";

/** Embeds a text as the counts of its letters a to z: 26 dimensions, known scores. */
export interface ConformanceIndex {
  dims: number;
  embeddings: {
    embedQuery(text: string): Promise<number[]>;
    embedDocuments(texts: string[]): Promise<number[][]>;
  };
  fields: string[];
}

/** Options of {@link storeConformance}. */
export interface StoreConformanceOptions {
  /** Registers a test: `it` of vitest or jest, `test` of node:test. */
  test: (name: string, run: () => Promise<void>) => void;
  /** Creates a fresh, empty store for one test, which embeds with `index`. */
  create: (index: ConformanceIndex) => Promise<BaseStore>;
  /** Disposes of the store after each test. */
  destroy?: (store: BaseStore) => Promise<void>;
  /** What the store can do. Default: all of LangGraph's contract, none of agemem's extensions. */
  supports?: Partial<StoreCapabilities>;
  /** Cases known to fail, by name, with the reason. They must fail, so that a repaired fault is noticed. */
  expectedFailures?: Record<string, string>;
}

const CONTRACT: StoreCapabilities = {
  batch: true,
  listNamespaces: true,
  vectors: true,
  putIndex: true,
  atomicBatch: true,
  versions: false,
  keyword: false,
  idempotency: false,
};

/** All cases, for listing them and for custom runners. */
export const storeCases: readonly StoreCase[] = [
  ...itemCases,
  ...namespaceCases,
  ...filterCases,
  ...searchCases,
  ...vectorCases,
  ...versionCases,
];

/**
 * Registers the conformance suite for a store.
 *
 * @throws RangeError if a name in `expectedFailures` is not a case
 * @example
 * describe("MyStore", () => storeConformance({ test: it, create: async (index) => new MyStore({ index }) }));
 */
export function storeConformance(options: StoreConformanceOptions): void {
  const supports = { ...CONTRACT, ...options.supports };
  const { expectedFailures = {} } = options;
  for (const name of Object.keys(expectedFailures)) {
    if (!storeCases.some((one) => one.name === name))
      throw new RangeError(`There is no conformance case "${name}"`);
  }
  for (const one of storeCases) {
    if (one.needs.some((capability) => !supports[capability])) continue;
    const reason = Object.hasOwn(expectedFailures, one.name) ? expectedFailures[one.name] : undefined;
    const title = reason === undefined ? one.name : `${one.name} (fails: ${reason})`;
    options.test(title, () => runCase(one, options, reason !== undefined));
  }
}

async function runCase(one: StoreCase, options: StoreConformanceOptions, mustFail: boolean): Promise<void> {
  const store = await options.create(letterIndex());
  let failure: unknown;
  try {
    await one.run(store);
  } catch (error) {
    failure = error;
  } finally {
    await options.destroy?.(store);
  }
  if (mustFail && failure === undefined)
    throw new Error(`"${one.name}" is listed as an expected failure but passes`);
  if (!mustFail && failure !== undefined) throw failure;
}

/** The embeddings for which the suite's expected scores are computed; they embed the field `text`. */
export function letterIndex(): ConformanceIndex {
  const embedQuery = async (text: string): Promise<number[]> => {
    const vector = new Array<number>(26).fill(0);
    for (const letter of text.toLowerCase()) {
      const at = letter.charCodeAt(0) - 97;
      if (at >= 0 && at < 26) vector[at] = (vector[at] ?? 0) + 1;
    }
    return vector;
  };
  return {
    dims: 26,
    fields: ["text"],
    embeddings: { embedQuery, embedDocuments: (texts) => Promise.all(texts.map(embedQuery)) },
  };
}
