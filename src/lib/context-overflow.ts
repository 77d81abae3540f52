/**
 * Whether a model endpoint refused a prompt because it does not fit into the model's context. Pure.
 *
 * Owns the causes of an error and the words of OpenAI, Anthropic, Gemini, vLLM, SGLang, llama.cpp, llama-cpp-python, TGI, LM
 * Studio and the policy server of `examples/grpo-trainer`: no two of them agree on a code. Leaves out what follows from it
 * (`models/model-errors.ts`, `rollout/rollout.ts`).
 */

/** The code under which such a refusal is recorded, whatever the endpoint calls it. */
export const CONTEXT_REFUSED = "AGEMEM_MODEL_CONTEXT";

type Fields = Readonly<Record<string, unknown>>;

/** The error and its causes, outermost first; bounded, because a cause may refer back to itself. */
export function errorChain(error: unknown): Fields[] {
  const out: Fields[] = [];
  let at: unknown = error;
  while (typeof at === "object" && at !== null && out.length < 8 && !out.includes(at as Fields)) {
    out.push(at as Fields);
    const { cause, errors } = at as { cause?: unknown; errors?: unknown[] };
    at = cause ?? (Array.isArray(errors) ? errors[0] : undefined);
  }
  return out;
}

const CODES = new Set([
  CONTEXT_REFUSED,
  "context_length_exceeded",
  "exceed_context_size_error",
  "ContextOverflowError",
]);

/** Each is said of nothing but a prompt that is too long, alone or with the response that was asked for. */
const WORDS =
  /maximum context length|context length is only|context_length_exceeded|exceed_context_size_error|longer than the (?:maximum model|model's context|model's maximum) length|exceeds? (?:the )?(?:model's )?(?:available )?context (?:size|window|length)|context (?:size|window|length) (?:has been |is |was )?exceeded|exceeds the maximum allowed length|exceeds the maximum number of (?:input )?tokens|input tokens exceed the configured limit|prompt is too long|`inputs` must have less than|`inputs` tokens \+ `max_new_tokens` must be|max_tokens must be at least 1, got -/i;

/** Answers of these statuses are about keys, models and rates, whatever words they use. */
const OTHER_STATUSES = new Set([401, 403, 404, 429]);

/**
 * True when the error, or a cause of it, says that the prompt is too long for the model.
 *
 * @example
 * isContextOverflow(new Error("400 The input (61709 tokens) is longer than the model's context length (40960 tokens).")); // true
 */
export function isContextOverflow(error: unknown): boolean {
  const links = errorChain(error).flatMap((link) => {
    const { error: body } = link;
    return typeof body === "object" && body !== null ? [link, body as Fields] : [link];
  });
  if (links.some(({ status }) => OTHER_STATUSES.has(status as number))) return false;
  return links.some(
    ({ code, type, name, message }) =>
      [code, type, name].some((each) => typeof each === "string" && CODES.has(each)) ||
      (typeof message === "string" && WORDS.test(message)),
  );
}
