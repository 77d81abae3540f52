/**
 * Turns failures of model endpoints into agemem's error codes, with a remedy and without secrets.
 *
 * Follows the causes of what OpenAI's client, LangChain's wrappers and Node's network stack throw. Leaves out retrying:
 * the clients do that before they throw.
 */
import { AgeMemError, ModelError, messageOf } from "../errors.js";
import { errorChain, isContextOverflow } from "../lib/context-overflow.js";
import { redact, redactError } from "../text/redaction.js";
import { collapseSpace } from "../text/text.js";

/** Where the failing call went; goes into message and details. */
export interface ModelErrorContext {
  /** Subject of the message; default "the model". */
  what?: string;
  model?: string;
  baseURL?: string;
  /** Further texts to redact, beside what looks like a key and the values of environment variables named like one. */
  secrets?: readonly (string | undefined)[];
}

/**
 * The {@link ModelError} for whatever a chat model threw: `AGEMEM_MODEL_UNREACHABLE` for refused connections, unknown
 * hosts, timeouts and dropped connections; `AGEMEM_MODEL_CONTEXT` for a prompt that the endpoint refused as too long;
 * `AGEMEM_MODEL_FAILED` for all else. HTTP errors have details.status. The cause is a copy with keys redacted. An error whose code begins with `AGEMEM_MODEL_` is returned unchanged.
 *
 * @example
 * try { await model.invoke("hi"); } catch (error) { throw describeModelError(error, { baseURL }); }
 */
export function describeModelError(error: unknown, context: ModelErrorContext = {}): ModelError {
  if (AgeMemError.isInstance(error) && /^AGEMEM_MODEL_/.test(error.code)) return error as ModelError;
  const read = classify(error, { what: "the model", ...context });
  return new ModelError(CODES[read.kind], read.message, read.options);
}

const CODES = {
  unreachable: "AGEMEM_MODEL_UNREACHABLE",
  context: "AGEMEM_MODEL_CONTEXT",
  other: "AGEMEM_MODEL_FAILED",
} as const;

type Chain = ReturnType<typeof errorChain>;

interface Reading {
  kind: keyof typeof CODES;
  message: string;
  options: { cause: unknown; remedy: string; details: Record<string, unknown> };
}

const NETWORK: Readonly<Record<string, string>> = {
  ECONNREFUSED: "the connection was refused",
  ENOTFOUND: "the host name is unknown",
  EAI_AGAIN: "the host name could not be looked up",
  ETIMEDOUT: "the connection timed out",
  ECONNRESET: "the connection was dropped",
  EPIPE: "the connection was dropped",
  EHOSTUNREACH: "the host cannot be reached",
  ENETUNREACH: "the network cannot be reached",
  UND_ERR_SOCKET: "the connection was dropped",
  UND_ERR_CONNECT_TIMEOUT: "the connection timed out",
  UND_ERR_HEADERS_TIMEOUT: "the answer timed out",
  UND_ERR_BODY_TIMEOUT: "the answer timed out",
};
const TIMEOUT_NAMES = new Set(["TimeoutError", "APIConnectionTimeoutError"]);

function classify(error: unknown, context: ModelErrorContext & { what: string }): Reading {
  const chain = errorChain(error);
  const hide = (text: string): string => redact(text, context.secrets);
  const { what, model, baseURL } = context;
  const where = `${capital(what)}${model ? ` "${model}"` : ""}${baseURL ? ` at ${hide(baseURL)}` : ""}`;
  const details: Record<string, unknown> = {
    ...(model && { model }),
    ...(baseURL && { baseURL: hide(baseURL) }),
  };
  const status = firstNumber(chain, "status") ?? firstNumber(chain, "statusCode");
  const cause = redactError(error, context.secrets);
  const tooLong = isContextOverflow(error);
  if (status !== undefined) {
    const message = `${where} answered HTTP ${status}: ${shorten(hide(messageOf(error)))}`;
    const remedy = tooLong ? TOO_LONG : remedyFor(status, chain);
    return {
      kind: tooLong ? "context" : "other",
      message,
      options: { cause, remedy, details: { ...details, status } },
    };
  }
  const reason = networkReason(chain);
  if (reason !== undefined) {
    const remedy = "Check OPENAI_BASE_URL and that the server is running and reachable from here.";
    return {
      kind: "unreachable",
      message: `${where} cannot be reached: ${reason}`,
      options: { cause, remedy, details },
    };
  }
  const remedy = tooLong ? TOO_LONG : "See the cause; the endpoint may not be OpenAI-compatible.";
  const message = `${where} failed: ${shorten(hide(messageOf(error)))}`;
  return { kind: tooLong ? "context" : "other", message, options: { cause, remedy, details } };
}

const TOO_LONG = "The prompt is longer than the model's context: lower the token budget.";

function networkReason(chain: Chain): string | undefined {
  for (const link of chain) {
    const known = typeof link.code === "string" ? NETWORK[link.code] : undefined;
    if (known) return known;
  }
  for (const link of chain) {
    const kind = (link.constructor as { name?: string } | undefined)?.name;
    if (TIMEOUT_NAMES.has(String(link.name)) || TIMEOUT_NAMES.has(String(kind)))
      return "the request timed out";
  }
  const failed = chain.find((link) => {
    const kind = (link.constructor as { name?: string } | undefined)?.name;
    return (
      kind === "APIConnectionError" ||
      /^(fetch failed|terminated|Connection error\.?)$/.test(String(link.message))
    );
  });
  return failed ? "the connection failed" : undefined;
}

function remedyFor(status: number, chain: Chain): string {
  const text = chain.map((link) => `${link.code ?? ""} ${link.message ?? ""}`).join(" ");
  if (/insufficient_quota/i.test(text)) return "The account's quota is used up: check plan and billing.";
  if (status === 401 || status === 403) return "Check OPENAI_API_KEY and what it may access.";
  if (status === 404) return "Check the model name (AGEMEM_MODEL) and that OPENAI_BASE_URL ends in /v1.";
  if (status === 429) return "The rate limit is reached: wait, or send fewer requests at once.";
  if (status >= 500) return "The server is failing: try again, or see its log.";
  return "The server refused the request: see the message, and whether the model supports tools and these settings.";
}

function firstNumber(chain: Chain, key: string): number | undefined {
  const value = chain.map((link) => link[key]).find((each) => typeof each === "number");
  return value as number | undefined;
}

function shorten(text: string): string {
  const hint = text.indexOf("Troubleshooting URL:");
  const line = collapseSpace(hint < 0 ? text : text.slice(0, hint));
  return line.length > 300 ? `${line.slice(0, 299)}…` : line;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
