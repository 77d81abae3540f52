/**
 * Reads from a server's response body which tokens it saw and sampled. Pure.
 *
 * Owns the formats of vLLM and SGLang (several versions, streamed or not). Never tokenizes: what the server did not
 * give is null.
 */

/** Exact tokens of one call. */
interface ServerTokens {
  promptTokenIds: number[] | null;
  responseTokenIds: number[] | null;
  /**
   * Natural logarithms, one per response token; null when absent, or when their number differs from that of the ids.
   */
  logprobs: number[] | null;
  source: "server" | "token_id_string" | "none";
  /** Version of the weights that answered, if the server reports it (`policy_version`); else null. */
  policyVersion: number | null;
  /** A contradiction, such as "3 token ids and 4 log-probabilities"; null when there is none. */
  mismatch: string | null;
}

/** Where the tokens may be found. */
interface TokenSources {
  /** The raw response body, as LangChain keeps it in `additional_kwargs.__raw_response`. */
  raw?: unknown;
  /** Log-probabilities in OpenAI's format, from `response_metadata.logprobs` or the generation's info. */
  logprobs?: unknown;
  /** The server's own counts, to check the ids against. */
  promptTokens?: number | null;
  completionTokens?: number | null;
}

/**
 * The tokens of a chat completion: prompt ids from the body (vLLM), the choice (SGLang) or `sglext`; response ids
 * from the choice, from `token_id:N` strings in the log-probabilities, or from SGLang's `meta_info`.
 *
 * @example
 * extractTokens({ raw: { prompt_token_ids: [1, 2], choices: [{ token_ids: [3] }] } }).responseTokenIds; // [3]
 */
export function extractTokens(sources: TokenSources): ServerTokens {
  const body = record(sources.raw);
  const choice = record(list(body.choices)?.[0]);
  const extension = record(body.sglext);
  const meta = list(record(choice.meta_info).output_token_logprobs);
  const content = longer(list(record(sources.logprobs).content), list(record(choice.logprobs).content));

  const promptTokenIds =
    ids(body.prompt_token_ids) ?? ids(choice.prompt_token_ids) ?? ids(first(extension.prompt_token_ids));
  const direct =
    ids(choice.token_ids) ?? ids(first(extension.token_ids)) ?? ids(meta?.map((entry) => list(entry)?.[1]));
  const fromStrings = direct ? null : ids(content?.map((entry) => tokenIdString(record(entry).token)));
  const responseTokenIds = direct ?? fromStrings;
  const logprobs =
    numbers(content?.map((entry) => record(entry).logprob)) ??
    numbers(list(record(choice.logprobs).token_logprobs)) ??
    numbers(meta?.map((entry) => list(entry)?.[0]));

  const source = fromStrings ? "token_id_string" : (promptTokenIds ?? direct) ? "server" : "none";
  const policyVersion = count(body.policy_version);
  return reconcile({ promptTokenIds, responseTokenIds, logprobs, source, policyVersion }, sources);
}

/** Drops log-probabilities that have no ids or another length, and notes contradictions with the server's counts. */
function reconcile(found: Omit<ServerTokens, "mismatch">, counts: TokenSources): ServerTokens {
  const { promptTokens = null, completionTokens = null } = counts;
  const n = found.responseTokenIds?.length;
  if (n === undefined) return { ...found, logprobs: null, mismatch: null };
  if (found.logprobs && found.logprobs.length !== n) {
    const mismatch = `${n} token ids and ${found.logprobs.length} log-probabilities`;
    return { ...found, logprobs: null, mismatch };
  }
  if (completionTokens !== null && completionTokens !== n) {
    return { ...found, mismatch: `${n} token ids and ${completionTokens} completion tokens in usage` };
  }
  const prompt = found.promptTokenIds?.length;
  if (prompt !== undefined && promptTokens !== null && promptTokens !== prompt) {
    return { ...found, mismatch: `${prompt} prompt token ids and ${promptTokens} prompt tokens in usage` };
  }
  return { ...found, mismatch: null };
}

/**
 * When streamed, either copy may lack chunks, so that one is part of the other: LangChain keeps only the last chunk's
 * where a callback handler caused the streaming, and a body may not have been merged.
 */
function longer(a: unknown[] | undefined, b: unknown[] | undefined): unknown[] | undefined {
  return (b?.length ?? 0) > (a?.length ?? 0) ? b : a;
}

/** SGLang's extension holds either one list per choice or just the list. */
function first(value: unknown): unknown {
  const outer = list(value);
  return outer && Array.isArray(outer[0]) ? outer[0] : value;
}

function tokenIdString(token: unknown): number | undefined {
  const match = typeof token === "string" ? /^token_id:(\d+)$/.exec(token) : null;
  return match ? Number(match[1]) : undefined;
}

function ids(value: unknown): number[] | null {
  const found = list(value);
  if (!found || found.length === 0) return null;
  return found.every((id) => Number.isInteger(id) && (id as number) >= 0)
    ? (found as number[]).slice()
    : null;
}

function numbers(value: unknown[] | undefined): number[] | null {
  if (!value || value.length === 0) return null;
  return value.every((x) => Number.isFinite(x)) ? (value as number[]).slice() : null;
}

function count(value: unknown): number | null {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : null;
}

function list(value: unknown): unknown[] | undefined {
  return Array.isArray(value) ? value : undefined;
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
