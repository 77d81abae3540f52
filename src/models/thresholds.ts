/**
 * Similarity thresholds per embedding model: at which cosine two memories count as duplicates, and a text matches the
 * criteria of FILTER.
 *
 * Owns the values of known models, chosen by `agemem evaluate thresholds`; `docs/thresholds.md` gives their precision and
 * recall. Run the command to calibrate another model.
 */

/** Minimum cosine similarities. */
export interface Thresholds {
  /** ADD refuses a memory at least this similar to a stored one. */
  duplicate: number;
  /** FILTER removes what is at least this similar to the criteria (theta; AgeMem, eq. 15). */
  theta: number;
}

/** For uncalibrated models: the paper's theta, and a duplicate threshold that only near-identical texts reach. */
export const DEFAULT_THRESHOLDS: Thresholds = { duplicate: 0.95, theta: 0.6 };

/** Matched against the model's name, folder or identity. */
const KNOWN: readonly (readonly [RegExp, Thresholds])[] = [
  [/all-minilm-l6-v2/i, { duplicate: 0.83, theta: 0.77 }],
];

/**
 * The thresholds for an embedding model, looked up by its `model` or `name`; {@link DEFAULT_THRESHOLDS} for unknown ones.
 *
 * @example
 * thresholdsOf(new HfEmbeddings({ model: "Xenova/all-MiniLM-L6-v2" })).theta; // 0.77
 */
export function thresholdsOf(embeddings: object | undefined): Thresholds {
  const { model, name } = (embeddings ?? {}) as { model?: unknown; name?: unknown };
  const names = [model, name].filter((each) => typeof each === "string");
  return KNOWN.find(([pattern]) => names.some((each) => pattern.test(each)))?.[1] ?? DEFAULT_THRESHOLDS;
}
