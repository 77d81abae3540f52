/**
 * The errors of agemem: one stable code per kind of failure, in six families.
 *
 * Owns the codes, their one-line meanings (a test compares them with the table in `docs/troubleshooting.md`) and the
 * classes. Leaves out how errors are handled: tools turn {@link InputError}s into answers for the model (`tools/`), and
 * the CLI turns any {@link AgeMemError} into one line and an exit code (`cli/`).
 *
 * Codes are API: they do not change within a major version. Messages may.
 */
import { stripEnd } from "./text/text.js";

/** Every code with its meaning, in the order of the table in `docs/troubleshooting.md`. */
export const ERROR_CODES = {
  AGEMEM_INPUT_FILE: "An input file is missing or cannot be read.",
  AGEMEM_INPUT_FORMAT: "An input file does not have the expected format (not JSON, lacks a field).",
  AGEMEM_INPUT_ARGUMENT: "An argument has the wrong type or lies outside its range.",
  AGEMEM_NAMESPACE_INVALID: "A namespace is empty, or has an empty, dotted or reserved label.",
  AGEMEM_NAMESPACE_VALUE_MISSING: "The namespace template names a value that this run does not supply.",
  AGEMEM_AUTH_REQUIRED: "The run has no authenticated user, and this server does not let clients name one.",
  AGEMEM_AUTH_UNGUARDED:
    "The server authenticates users, but nothing keeps them out of each other's threads.",
  AGEMEM_AUTH_FORBIDDEN: "A client tried to set or do something reserved to the server's operator.",
  AGEMEM_THREAD_OWNER: "The thread belongs to another user.",
  AGEMEM_FILTER_INVALID: "A search filter uses an unknown operator or a value it cannot compare.",
  AGEMEM_MEMORY_NOT_FOUND: "No memory with this id exists in the namespace.",
  AGEMEM_MEMORY_DUPLICATE: "An equal or nearly equal memory is already stored.",
  AGEMEM_MEMORY_NOT_CONFIRMED: "A deletion was asked for without confirmation.",
  AGEMEM_MEMORY_LIMIT:
    "A limit on the size or number of memories, or on operations or deletions per user message, is reached.",
  AGEMEM_MEMORY_CHANGED: "Somebody else changed the memory since this run read it.",
  AGEMEM_EDIT_NOT_FOUND: "No archived context edit with this id exists for the thread.",
  AGEMEM_EDIT_EMPTY: "A summary or filter found nothing it may remove.",
  AGEMEM_CONTEXT_FULL:
    "The prompt exceeds its budget and no summary can make room; reported by the overflow guard.",
  AGEMEM_EDIT_BUSY: "Another call of the same response edits the context at the same time.",
  AGEMEM_OPERATION_REJECTED: "A person was asked about the operation and rejected it.",
  AGEMEM_STORE_PATH: "The store's directory cannot be created, read or written.",
  AGEMEM_STORE_LOCKED: "Another process held the store's write lock for longer than the busy timeout.",
  AGEMEM_STORE_CLOSED: "The store was used after close().",
  AGEMEM_STORE_CORRUPT: "The store's database fails its checks.",
  AGEMEM_STORE_FORMAT: "The store was written by a newer version of agemem.",
  AGEMEM_STORE_EMBEDDING: "The store holds vectors of another embedding model or dimension.",
  AGEMEM_STORE_READ_ONLY: "A write was sent to a read-only view.",
  AGEMEM_STORE_BRANCH: "A branch or version does not exist or was discarded, or a branch's name is taken.",
  AGEMEM_STORE_CONFLICT: "A promotion or a conditional write met changes that others made to the same items.",
  AGEMEM_STORE_UNSUPPORTED: "The operation needs something this store does not have (versions, an index).",
  AGEMEM_STORE_LIMIT: "A value, key or batch is larger than the store's limit.",
  AGEMEM_STORE_IO: "The disk or database failed during an operation.",
  AGEMEM_VECTOR_INVALID: "An embedding has the wrong dimension or a component that is not finite.",
  AGEMEM_EMBEDDING_FAILED: "The embedding model failed; nothing was stored.",
  AGEMEM_RERANK_FAILED: "The reranker of a search failed, took too long, or gave no usable scores.",
  AGEMEM_MODEL_UNREACHABLE: "The model endpoint cannot be reached.",
  AGEMEM_MODEL_FAILED: "The model endpoint answered with an error.",
  AGEMEM_MODEL_CONTEXT: "The prompt does not fit into the model's context.",
  AGEMEM_SUMMARY_FAILED: "The summarizer failed; the context is unchanged.",
  AGEMEM_CONFIG_INVALID: "A setting or environment variable is missing or has an invalid value.",
  AGEMEM_PACKAGE_MISSING: "An optional package that this feature needs is not installed.",
  AGEMEM_WORKER_FAILED: "Two processes died while running the same rollout.",
  AGEMEM_ENVIRONMENT_UNREACHABLE:
    "An environment's server cannot be reached, died, or did not answer in time.",
  AGEMEM_ENVIRONMENT_FAILED: "An environment's server answered with an error or violated its protocol.",
  AGEMEM_SYSTEM_FAILED:
    "Another project's memory, compared with agemem's, failed, died, or did not answer in time.",
  AGEMEM_RECORDING_LOCKED: "Another process is writing the recording.",
  AGEMEM_RECORDING_SETTINGS: "The recording was begun with other settings under the same run name.",
  AGEMEM_RECORDING_SHARES: "Recordings cannot be merged: a share is missing, there twice, or not whole.",
  AGEMEM_ROLLOUTS_PROTOCOL: "The rollout service and its client speak different versions of their protocol.",
  AGEMEM_ROLLOUTS_BUSY:
    "The rollout service has as many requests open as it takes, or the request is another reader's.",
  AGEMEM_ROLLOUTS_UNKNOWN: "The rollout service has no request open under this id.",
  AGEMEM_ROLLOUTS_SIZE:
    "A request to the rollout service, or an answer in one piece, is larger than its limit.",
  AGEMEM_TRAJECTORY_INVALID: "A trajectory record violates the schema.",
  AGEMEM_TRAJECTORY_VERSION: "A trajectory file has a schema version this release does not read.",
} as const satisfies Record<`AGEMEM_${string}`, string>;

/** The code of an error. */
export type AgeMemErrorCode = keyof typeof ERROR_CODES;

/** What an error has besides its message. */
export interface AgeMemErrorOptions {
  /** The underlying failure, kept as the standard `cause`. */
  cause?: unknown;
  /** What the reader can do about it: one sentence, shown after the message. */
  remedy?: string;
  /** Machine-readable facts (ids, paths, numbers). Never secrets. */
  details?: Record<string, unknown>;
}

const BRAND = Symbol.for("agemem.error");
const FAMILY = Symbol("agemem.error.family");

/**
 * Base of all errors agemem raises on purpose. Programmer mistakes stay `TypeError` / `RangeError`.
 *
 * @example
 * try { await store.put(["memories"], "k", { content: "x" }); }
 * catch (error) { if (AgeMemError.isInstance(error)) console.error(error.code, error.remedy); }
 */
export class AgeMemError extends Error {
  readonly code: AgeMemErrorCode;
  readonly remedy: string | undefined;
  readonly details: Record<string, unknown>;
  readonly [BRAND] = true;

  constructor(code: AgeMemErrorCode, message: string, options: AgeMemErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.remedy = options.remedy;
    this.details = options.details ?? {};
  }

  /** True for every agemem error, even if two copies of the package are loaded, where `instanceof` fails. */
  static isInstance(value: unknown): value is AgeMemError {
    return typeof value === "object" && value !== null && BRAND in value;
  }

  /** Also true for errors of another class that were given this family; see {@link asFamily}. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (Function.prototype[Symbol.hasInstance].call(this, value)) return true;
    const family = (value as { [FAMILY]?: typeof AgeMemError } | null | undefined)?.[FAMILY];
    return family !== undefined && (family === this || Object.prototype.isPrototypeOf.call(this, family));
  }

  /** `CODE: message. Remedy` on one line, as the CLI prints it. */
  toLine(): string {
    // An error made for clients has all of it in its message already.
    if (this.message.startsWith(`${this.code}: `)) return this.message;
    const text = this.remedy ? `${stripEnd(this.message, /[.\s]/)}. ${this.remedy}` : this.message;
    return `${this.code}: ${text.replace(/\s+/g, " ")}`;
  }
}

/** The caller's or the model's input is wrong; nothing was changed. The only family reported to the model. */
export class InputError extends AgeMemError {}

/** Long-term memory failed: disk, lock, format, versions. Thrown, never reported to the model. */
export class StoreError extends AgeMemError {}

/** A chat or embedding model failed. */
export class ModelError extends AgeMemError {}

/** An environment of the evaluation, or another project's memory, failed. The episode ends, but the run continues. */
export class EnvironmentError extends AgeMemError {}

/** A setting is missing or invalid, or an optional package is not installed. */
export class ConfigError extends AgeMemError {}

/**
 * Gives an error of another class a family as well: code, remedy and details, and `instanceof` the family. For errors
 * that callers of another library's interface recognize by that library's class.
 */
export function asFamily(
  family: typeof AgeMemError,
  error: Error,
  code: AgeMemErrorCode,
  { remedy, details = {}, cause }: AgeMemErrorOptions,
): Error {
  const { toLine } = AgeMemError.prototype;
  const more = { code, remedy, details, toLine, [BRAND]: true, [FAMILY]: family };
  return Object.assign(error, more, cause === undefined ? {} : { cause });
}

/** A request for what belongs to another user or is reserved to the operator; nothing was done. */
export class AccessError extends AgeMemError {}

/**
 * The error in a form for clients of a server: LangGraph's server passes on only name and message, so code and remedy go
 * into the message. Other errors are returned unchanged.
 */
export function forClients(error: unknown): unknown {
  if (!AgeMemError.isInstance(error) || error.message.startsWith(`${error.code}: `)) return error;
  // A copy of the same class, which may be a foreign one (`asFamily`) and have a constructor of its own.
  const copy = Object.create(Object.getPrototypeOf(error), Object.getOwnPropertyDescriptors(error)) as Error;
  return Object.defineProperties(copy, {
    message: { value: error.toLine(), writable: true, configurable: true },
    cause: { value: error, writable: true, configurable: true },
  });
}

/** `error.message` of an `Error`, otherwise the value as text; for messages that quote a cause. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
