/**
 * What LangSmith shows of a memory operation: tags and metadata.
 *
 * Owns that metadata says what was done and how much, never whose memory it was or what it says: the namespace is
 * hashed, and contents appear only in inputs and outputs, which LangSmith can hide. Stage and rollout are inherited
 * from the run.
 */
import type { BaseStore } from "@langchain/langgraph";
import { sha256 } from "../lib/hash.js";
import { isOutcome, isVersionedStore, METADATA, type MemoryOp, type MemoryOpOutcome } from "../types.js";

/** Tag of every memory operation's run. */
export const MEMORY_TAG = "agemem:memory";

/** Tags and metadata known before the operation runs. */
export function traceFields(op: MemoryOp): { tags: string[]; metadata: Record<string, unknown> } {
  return { tags: [MEMORY_TAG], metadata: { [METADATA.op]: op } };
}

/** Twelve hex digits that tell namespaces apart without naming them. */
export function namespaceHash(namespace: readonly string[]): string {
  return sha256(JSON.stringify(namespace)).slice(0, 12);
}

/**
 * Hashes the namespace of every operation in a run's inputs or outputs, for `hideInputs` and `hideOutputs` of
 * LangSmith's client. Contents stay readable. Returns a copy in the form it is sent, with messages in LangChain's JSON.
 *
 * @example
 * const client = new Client({ hideInputs: hashNamespaces, hideOutputs: hashNamespaces });
 * await agent.invoke(input, { ...run, callbacks: [new LangChainTracer({ client })] });
 */
export function hashNamespaces<T extends Record<string, unknown>>(payload: T): T {
  return withoutNamespaces(payload, new Set()) as T;
}

function withoutNamespaces(value: unknown, above: ReadonlySet<object>): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (above.has(value)) return "[circular]";
  const path = new Set(above).add(value);
  if (Array.isArray(value)) return value.map((each) => withoutNamespaces(each, path));
  const { toJSON } = value as { toJSON?: () => unknown };
  if (typeof toJSON === "function") return withoutNamespaces(toJSON.call(value), path);
  const fields = Object.entries(value).map(([key, each]) => [key, withoutNamespaces(each, path)]);
  return {
    ...Object.fromEntries(fields),
    ...(isOutcome(value) ? { namespace: hashed(value.namespace) } : {}),
  };
}

/** The client may pass a payload twice, so a namespace that is already hashed stays as it is. */
function hashed(namespace: readonly string[]): readonly string[] {
  const done = namespace.length === 1 && /^sha256:[0-9a-f]{12}$/.test(namespace[0] as string);
  return done ? namespace : [`sha256:${namespaceHash(namespace)}`];
}

/**
 * The config of a model call: adds the revision of long-term memory that it sees, and removes the run's context, which
 * tracers would copy into the call's options although it names the user and may hold the application's secrets.
 */
export function modelCallConfig<C extends { metadata?: Record<string, unknown> }>(
  config: C,
  store: BaseStore,
): C {
  const seen = isVersionedStore(store) ? { [METADATA.revision]: store.version().revision } : {};
  return withoutContext({ ...config, metadata: { ...config.metadata, ...seen } });
}

/** The config with an empty context. If it were only left out, LangChain would restore it from the surrounding run. */
export function withoutContext<C extends object>(config: C): C {
  return { ...config, context: {} };
}

/** The parts of LangChain's callback manager and tracers that are used here. */
interface Tracing {
  getParentRunId?: () => string | undefined;
  handlers?: readonly { getRun?: (id: string) => { metadata: Record<string, unknown> } | undefined }[];
}

/**
 * Adds an operation's outcome to the metadata of its run in every tracer.
 *
 * @param config as the tool's function gets it: its callback manager is that of the run's children
 */
export function traceOutcome(config: { callbacks?: unknown }, outcome: MemoryOpOutcome): void {
  const { getParentRunId, handlers } = (config.callbacks ?? {}) as Tracing;
  const runId = getParentRunId?.call(config.callbacks);
  if (runId === undefined) return;
  for (const handler of handlers ?? []) {
    const run = handler.getRun?.(runId);
    // LangSmith's setter merges.
    if (run) run.metadata = outcomeMetadata(outcome);
  }
}

/** An outcome as flat metadata, which LangSmith can filter by. */
export function outcomeMetadata(outcome: MemoryOpOutcome): Record<string, unknown> {
  return {
    [METADATA.op]: outcome.op,
    [METADATA.ok]: outcome.ok,
    [METADATA.namespaceHash]: namespaceHash(outcome.namespace),
    [METADATA.memories]: outcome.memoryIds.length,
    [METADATA.tokensSaved]: outcome.editId === undefined ? 0 : outcome.tokensBefore - outcome.tokensAfter,
    ...(outcome.revisionAfter === null ? {} : { [METADATA.revision]: outcome.revisionAfter }),
    ...(outcome.editId === undefined ? {} : { [METADATA.editId]: outcome.editId }),
    ...(outcome.error === undefined ? {} : { [METADATA.error]: outcome.error.code }),
  };
}
