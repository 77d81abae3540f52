/**
 * A reranker that compares query and text token by token (late interaction, as in ColBERT, arXiv 2004.12832), with the
 * token vectors of a sentence embedding model.
 *
 * Owns the score and the cache of token vectors. Leaves out running the model (`embeddings.ts`) and the search
 * (`store/search/rerank-items.ts`).
 *
 * Departures from ColBERT: the model was not trained for it, and each token of the query has a weight, its inverse document
 * frequency among the candidates, since names and rare words tell more than "what" and "does". What it adds on LoCoMo is in
 * docs/store.md.
 */
import { LRUCache } from "lru-cache";
import { InputError } from "../../errors.js";
import { inverseFrequency } from "../../text/bm25.js";
import type { HfEmbeddings } from "./embeddings.js";
import type { TokenVectors } from "./token-vectors.js";

/** Options of {@link LateInteractionReranker}. */
export interface LateInteractionOptions {
  /** How many of the best candidates of a search are scored; default 50. More find more, and take longer. */
  candidates?: number;
  /** Share of these scores in the final ones, 0 to 1; default 0.8. */
  share?: number;
  /** Milliseconds a search waits for the scores; default 60,000. */
  timeoutMs?: number;
  /** For how many tokens the vectors of texts are kept in memory; default 20,000 (31 MB at 384 dimensions). */
  cacheTokens?: number;
}

/**
 * Scores texts by `sum(w(q) * max over the text's tokens t of cos(q, t)) / sum(w(q))` over the query's tokens q, with
 * `w(q) = ln(1 + (n - df + 0.5) / (df + 0.5))` for the `df` of the `n` candidates that have the token.
 *
 * The embedding model need not be that of the store. Without a graphics card a search takes as long as embedding the
 * candidates that are not in the cache.
 *
 * @throws InputError `AGEMEM_INPUT_ARGUMENT` for `cacheTokens` out of range. When scoring: ConfigError
 * `AGEMEM_PACKAGE_MISSING`, ModelError `AGEMEM_EMBEDDING_FAILED`
 * @example
 * const rerank = new LateInteractionReranker(new HfEmbeddings({ model: "/models/all-MiniLM-L6-v2", localOnly: true }));
 * await store.search(["memories", "ada"], { query: "Where does Ada live?", mode: "hybrid", rerank });
 */
export class LateInteractionReranker {
  readonly candidates: number;
  readonly share: number;
  readonly timeoutMs: number;
  readonly #embeddings: HfEmbeddings;
  readonly #kept: LRUCache<string, TokenVectors>;

  constructor(embeddings: HfEmbeddings, options: LateInteractionOptions = {}) {
    const { cacheTokens = 20_000 } = options;
    if (!(Number.isInteger(cacheTokens) && cacheTokens >= 1)) {
      throw new InputError("AGEMEM_INPUT_ARGUMENT", "`cacheTokens` must be a whole number of at least 1");
    }
    this.candidates = options.candidates ?? 50;
    this.share = options.share ?? 0.8;
    this.timeoutMs = options.timeoutMs ?? 60_000;
    this.#embeddings = embeddings;
    this.#kept = new LRUCache({ maxSize: cacheTokens, sizeCalculation: ({ ids }) => ids.length + 1 });
  }

  /** The scores of texts, about 0 to 1, and the tokens that the model read for them. */
  async score(
    query: string,
    texts: readonly string[],
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<{ scores: number[]; tokens: number }> {
    const known = new Map(texts.map((text) => [text, this.#kept.get(text)]));
    const missing = [...known].filter(([, found]) => !found).map(([text]) => text);
    const [asked, ...fresh] = await this.#embeddings.tokenVectors([query, ...missing], signal);
    for (const [i, text] of missing.entries()) {
      known.set(text, fresh[i]);
      this.#kept.set(text, fresh[i] as TokenVectors);
    }
    const documents = texts.map((text) => known.get(text) as TokenVectors);
    const weights = weightsOf((asked as TokenVectors).ids, documents);
    const read = [asked, ...fresh].reduce((sum, one) => sum + (one?.read ?? 0), 0);
    return {
      scores: documents.map((text) => tokenSimilarity(asked as TokenVectors, weights, text)),
      tokens: read,
    };
  }
}

/** How much each token of the query tells, from the candidates that have it. */
function weightsOf(ids: Int32Array, documents: readonly TokenVectors[]): Float64Array {
  const frequencies = new Map<number, number>();
  for (const document of documents) {
    for (const id of new Set(document.ids)) frequencies.set(id, (frequencies.get(id) ?? 0) + 1);
  }
  return Float64Array.from(ids, (id) => inverseFrequency(documents.length, frequencies.get(id) ?? 0));
}

/** The weighted mean, over the query's tokens, of the cosine with the most similar token of the text. */
export function tokenSimilarity(query: TokenVectors, weights: Float64Array, text: TokenVectors): number {
  const { dims } = query;
  if (text.ids.length === 0) return 0;
  let [sum, all] = [0, 0];
  for (let q = 0; q < weights.length; q++) {
    let best = -1;
    for (let t = 0; t < text.ids.length; t++) {
      let dot = 0;
      for (let i = 0; i < dims; i++) {
        dot += (query.vectors[q * dims + i] as number) * (text.vectors[t * dims + i] as number);
      }
      if (dot > best) best = dot;
    }
    sum += (weights[q] as number) * best;
    all += weights[q] as number;
  }
  return all > 0 ? sum / all : 0;
}
