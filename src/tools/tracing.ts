/**
 * What the run of a memory operation says about itself in LangSmith: name, tags, metadata.
 *
 * Metadata tells what was done and how much, never to whom or with which words: the namespace is a hash, and contents
 * stand in inputs and outputs only, which LangSmith can hide. Stage and rollout are inherited from the run.
 */
import type { BaseStore } from "@langchain/langgraph";
import { sha256 } from "../lib/hash.js";
import { isOutcome, isVersionedStore, METADATA, type MemoryOp, type MemoryOpOutcome } from "../types.js";

/** Tag of every memory operation's run. */
export const MEMORY_TAG = "agemem:memory";

/** Tags and metadata that are known before the operation runs. */
export function traceFields(op: MemoryOp): { tags: string[]; metadata: Record<string, unknown> } {
  return { tags: [MEMORY_TAG], metadata: { [METADATA.op]: op } };
}

/** Twelve hex digits that tell namespaces apart without naming them. */
export function namespaceHash(namespace: readonly string[]): string {
  return sha256(JSON.stringify(namespace)).slice(0, 12);
}

/**
 * A run's inputs or outputs with the namespace of every operation hashed: for the `hideInputs` and `hideOutputs` of
 * LangSmith's client. Contents stay readable. Returns a copy, as it would be sent: messages in LangChain's JSON form.
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

/** The client may ask twice about one payload: a hash stays as it is. */
function hashed(namespace: readonly string[]): readonly string[] {
  const done = namespace.length === 1 && /^sha256:[0-9a-f]{12}$/.test(namespace[0] as string);
  return done ? namespace : [`sha256:${namespaceHash(namespace)}`];
}

/**
 * The config of a model call: with the revision of long-term memory that it sees, and without the run's context, which
 * tracers would copy into the options of the call (it names the user, and may hold the application's secrets).
 */
export function modelCallConfig<C extends { metadata?: Record<string, unknown> }>(
  config: C,
  store: BaseStore,
): C {
  const seen = isVersionedStore(store) ? { [METADATA.revision]: store.version().revision } : {};
  return withoutContext({ ...config, metadata: { ...config.metadata, ...seen } });
}

/** The config of a call with an empty context: left out, it would be put in again from LangChain's own surroundings. */
export function withoutContext<C extends object>(config: C): C {
  return { ...config, context: {} };
}

/** The part of a LangChain callback manager and of a tracer that is needed here. */
interface Tracing {
  getParentRunId?: () => string | undefined;
  handlers?: readonly { getRun?: (id: string) => { metadata: Record<string, unknown> } | undefined }[];
}

/**
 * Adds what came of an operation to the metadata of its run, in every tracer that listens.
 *
 * @param config of the tool's function: its callbacks are those of the tool run's children
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

/** An outcome as flat metadata, by which LangSmith can filter. */
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
