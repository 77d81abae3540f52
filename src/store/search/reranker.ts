/**
 * Rerankers: models that read the query and each candidate together and score them again.
 *
 * Owns what a reranker is, asking one within its limits, and its counts. Leaves out candidates and their order
 * (`rerank-items.ts`) and the models (`models/hf/late-interaction.ts`).
 */
import { AgeMemError, InputError, ModelError, messageOf } from "../../errors.js";
import { redact, redactError } from "../../text/redaction.js";

/** What a reranker answers if it counts the tokens it read. */
export interface RerankScores {
  /** One score per text, in order. */
  scores: readonly number[];
  /** Tokens that the model read. */
  tokens?: number;
}

type Answer = RerankScores | readonly number[];

/** Scores candidates again, for the `rerank` option of a search. */
export interface Reranker {
  /**
   * Scores texts against a query, one finite number for each, higher for a better match, on any scale. The signal is
   * aborted when the time is up.
   */
  score(query: string, texts: readonly string[], options: { signal: AbortSignal }): Promise<Answer> | Answer;
  /** How many of the best candidates are scored. Default four times the results wanted, at least 50; never fewer than wanted. */
  candidates?: number;
  /**
   * Share of the reranker's score in the final one, from 0 to 1; the rest is the score of the search, each scaled to 0 to 1
   * over the candidates. Default 1: the reranker's scores alone, unscaled unless `neighbors` count after them.
   */
  share?: number;
  /** Milliseconds after which the search fails with `AGEMEM_RERANK_FAILED`. Default 60,000. */
  timeoutMs?: number;
}

/** What rerankers were asked since the store was opened. */
export interface RerankCounts {
  searches: number;
  texts: number;
  /** As far as rerankers count them. */
  tokens: number;
}

/** Default limit of one call of a reranker, in milliseconds. */
export const RERANK_TIMEOUT_MS = 60_000;
/** The longest delay of a timer. */
const MAX_TIMER = 2 ** 31 - 1;
const MAX_CANDIDATES = 10_000;

/** Refuses what is no reranker, and limits out of range, with `AGEMEM_INPUT_ARGUMENT`. */
export function checkReranker(reranker: Reranker): void {
  if (typeof reranker !== "object" || reranker === null || typeof reranker.score !== "function") {
    throw argument("`rerank` must be a function, or an object with a function `score`");
  }
  const { candidates = 1, share = 1, timeoutMs = 1 } = reranker;
  if (!(Number.isInteger(candidates) && candidates >= 1 && candidates <= MAX_CANDIDATES)) {
    throw argument(`\`rerank.candidates\` must be a whole number from 1 to ${MAX_CANDIDATES}`);
  }
  if (!(typeof share === "number" && share >= 0 && share <= 1)) {
    throw argument("`rerank.share` must lie between 0 and 1");
  }
  if (!(Number.isInteger(timeoutMs) && timeoutMs >= 1 && timeoutMs <= MAX_TIMER)) {
    throw argument(`\`rerank.timeoutMs\` must be a whole number from 1 to ${MAX_TIMER}`);
  }
}

/**
 * The scores of texts, checked. Counts what was read, also if the answer is refused.
 *
 * @throws ModelError `AGEMEM_RERANK_FAILED` if the reranker fails, takes too long, or does not give one finite number per text
 */
export async function scoresOf(
  reranker: Reranker,
  query: string,
  texts: readonly string[],
  counts: RerankCounts,
): Promise<readonly number[]> {
  if (texts.length === 0) return [];
  counts.searches++;
  counts.texts += texts.length;
  const answer = await inTime(
    (signal) => reranker.score(query, texts, { signal }),
    reranker.timeoutMs ?? RERANK_TIMEOUT_MS,
  );
  const { scores, tokens = 0 } = (
    Array.isArray(answer) ? { scores: answer } : (answer ?? {})
  ) as RerankScores;
  if (Number.isFinite(tokens)) counts.tokens += tokens;
  if (!isListLike(scores) || scores.length !== texts.length) {
    throw failed("The reranker did not return one score per text", {
      details: { texts: texts.length, scores: isListLike(scores) ? scores.length : null },
    });
  }
  const list = Array.from(scores);
  const at = list.findIndex((score) => typeof score !== "number" || !Number.isFinite(score));
  if (at >= 0) {
    throw failed(`The reranker's score of text ${at} is not a finite number`, {
      details: { text: at, value: String(list[at]) },
    });
  }
  return list;
}

/** Runs a reranker's code within a time; what it throws becomes `AGEMEM_RERANK_FAILED`, unless it is an agemem error. */
export async function inTime<T>(run: (signal: AbortSignal) => Promise<T> | T, limit: number): Promise<T> {
  const abort = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(failed(`The reranker gave no answer within ${limit} ms`, { details: { timeoutMs: limit } }));
      abort.abort();
    }, limit);
  });
  try {
    return await Promise.race([(async () => run(abort.signal))(), late]);
  } catch (cause) {
    if (AgeMemError.isInstance(cause)) throw cause;
    throw failed(redact(`The reranker failed: ${messageOf(cause)}`), { cause: redactError(cause) });
  } finally {
    clearTimeout(timer);
  }
}

/** `AGEMEM_RERANK_FAILED`. */
export function failed(
  message: string,
  options: { cause?: unknown; details?: Record<string, unknown> } = {},
): ModelError {
  return new ModelError("AGEMEM_RERANK_FAILED", message, {
    remedy: "Search without `rerank` to get the results in the store's own order.",
    ...options,
  });
}

function isListLike(scores: unknown): scores is ArrayLike<number> {
  return Array.isArray(scores) || (ArrayBuffer.isView(scores) && !(scores instanceof DataView));
}

function argument(message: string): InputError {
  return new InputError("AGEMEM_INPUT_ARGUMENT", message);
}
