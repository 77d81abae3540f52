/** Scores for FILTER: the cosine similarity of each unit to the criteria, in one embedding call. */
import { AgeMemError, InputError, ModelError, messageOf } from "../../errors.js";
import { collapseSpace } from "../../text/text.js";

/**
 * The texts that each unit is compared with: the whole criteria, then each of its lines and semicolon clauses, so
 * that a list of unrelated things to remove matches each of them.
 *
 * @throws InputError `AGEMEM_INPUT_ARGUMENT` if the criteria are empty
 * @example
 * splitCriteria("weather; sports"); // ["weather; sports", "weather", "sports"]
 */
export function splitCriteria(criteria: string): string[] {
  const whole = collapseSpace(criteria);
  if (whole === "") {
    throw new InputError("AGEMEM_INPUT_ARGUMENT", "The criteria are empty", {
      remedy: "Describe what to remove from the context.",
    });
  }
  const clauses = criteria
    .split(/[\n;；]+/)
    .map((clause) => collapseSpace(clause.replace(/^\s*(?:[-*•]|\d+[.)])\s+/, "")))
    .filter((clause) => /[\p{L}\p{N}]/u.test(clause));
  return [...new Set([whole, ...clauses])];
}

/** Embeds texts: one vector per text, in order. */
export type Embed = (texts: string[]) => Promise<number[][]>;

/**
 * The similarity of each unit to the criteria: its best over {@link splitCriteria}. Calls `embed` once, or not at all
 * if there are no units; equal texts are embedded once.
 *
 * @throws ModelError `AGEMEM_EMBEDDING_FAILED`, `AGEMEM_VECTOR_INVALID`; InputError `AGEMEM_INPUT_ARGUMENT`
 */
export async function scoreUnits(
  units: readonly { text: string }[],
  criteria: string,
  embed: Embed,
): Promise<number[]> {
  const wanted = splitCriteria(criteria);
  if (units.length === 0) return [];
  const texts = [...new Set([...wanted, ...units.map((unit) => unit.text)])];
  const vectors = await embedAll(texts, embed);
  const norms = vectors.map((vector) => Math.sqrt(dot(vector, vector)));
  const indexOf = new Map(texts.map((text, i) => [text, i]));
  const targets = wanted.map((text) => indexOf.get(text) as number);
  const cosine = (a: number, b: number): number => {
    const length = (norms[a] as number) * (norms[b] as number);
    return length === 0 ? 0 : dot(vectors[a] as number[], vectors[b] as number[]) / length;
  };
  return units.map((unit) => {
    const at = indexOf.get(unit.text) as number;
    return Math.max(...targets.map((target) => cosine(at, target)));
  });
}

async function embedAll(texts: string[], embed: Embed): Promise<number[][]> {
  let vectors: number[][];
  try {
    vectors = await embed(texts);
  } catch (cause) {
    if (AgeMemError.isInstance(cause)) throw cause;
    throw new ModelError("AGEMEM_EMBEDDING_FAILED", `The embedding model failed: ${messageOf(cause)}`, {
      cause,
      remedy: "The context is unchanged; try again later.",
    });
  }
  const dimension = vectors[0]?.length ?? 0;
  const fits = (vector: number[] | undefined): boolean =>
    vector?.length === dimension && vector.every(Number.isFinite);
  if (vectors.length === texts.length && dimension > 0 && vectors.every(fits)) return vectors;
  throw new ModelError(
    "AGEMEM_VECTOR_INVALID",
    `The embedding model returned unusable vectors for ${texts.length} texts`,
    {
      remedy: "Check that it returns one vector per text, all finite and of the same dimension.",
      details: { texts: texts.length, vectors: vectors.length, dimension },
    },
  );
}

function dot(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

/** The refusal of a filter that would change nothing; says how close the best unit came. */
export function nothingToFilter(scores: readonly number[], theta: number): InputError {
  if (scores.length === 0) {
    return new InputError("AGEMEM_EDIT_EMPTY", "Nothing in the context may be filtered out", {
      remedy: "What the user asks and the call in progress always stay; continue without filtering.",
    });
  }
  const best = scores.reduce((max, score) => Math.max(max, score), Number.NEGATIVE_INFINITY);
  if (best >= theta) {
    return new InputError("AGEMEM_EDIT_EMPTY", "Only tool calls whose results must stay match the criteria", {
      remedy: "Describe the results too if they should be removed.",
      details: { best, theta },
    });
  }
  return new InputError(
    "AGEMEM_EDIT_EMPTY",
    `Nothing in the context is close enough to the criteria (best similarity ${best.toFixed(2)}, needed ${theta})`,
    {
      remedy: "Describe what to remove in its own words, or leave it in the context.",
      details: { best, theta },
    },
  );
}
