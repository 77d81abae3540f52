/**
 * What a cosine similarity means under an embedding model: from where on two memories are duplicates, and from where on
 * a text fits the criteria of FILTER.
 *
 * Owns the values of known models. They were chosen by `agemem evaluate thresholds` and stand with their precision and
 * recall in `docs/thresholds.md`; the same command chooses values for another model.
 */

/** Cosine similarities from which on something is done. */
export interface Thresholds {
  /** ADD refuses a memory that is this near to a stored one. */
  duplicate: number;
  /** FILTER removes what is this near to the criteria (theta; AgeMem, eq. 15). */
  theta: number;
}

/** For models that nobody calibrated: the paper's theta, and a duplicate only where hardly a word differs. */
export const DEFAULT_THRESHOLDS: Thresholds = { duplicate: 0.95, theta: 0.6 };

/** By a part of the model's name, folder or identity. */
const KNOWN: readonly (readonly [RegExp, Thresholds])[] = [
  [/all-minilm-l6-v2/i, { duplicate: 0.83, theta: 0.77 }],
];

/**
 * The thresholds of an embedding model, known by its `model` or `name`; {@link DEFAULT_THRESHOLDS} for others.
 *
 * @example
 * thresholdsOf(new HfEmbeddings({ model: "Xenova/all-MiniLM-L6-v2" })).theta; // 0.77
 */
export function thresholdsOf(embeddings: object | undefined): Thresholds {
  const { model, name } = (embeddings ?? {}) as { model?: unknown; name?: unknown };
  const names = [model, name].filter((each) => typeof each === "string");
  return KNOWN.find(([pattern]) => names.some((each) => pattern.test(each)))?.[1] ?? DEFAULT_THRESHOLDS;
}
