/**
 * Runs the writes to a namespace of long-term memory one at a time, within this process.
 *
 * ADD searches for duplicates before it stores, and UPDATE reads what it merges. Calls of one response that run at the
 * same time, as in `ToolNode` and `createAgent`, would miss each other's writes. Owns this order only; processes that
 * share a store can still miss each other's.
 */
import type { BaseStore } from "@langchain/langgraph";

const queues = new WeakMap<BaseStore, Map<string, Promise<unknown>>>();

/**
 * Runs `work` once all earlier work on the namespace has settled. An error reaches only its own caller.
 *
 * @example
 * const result = await inTurn(store, ["memories", "ada"], () => addMemory(kit, args, context));
 */
export async function inTurn<T>(
  store: BaseStore,
  namespace: readonly string[],
  work: () => Promise<T>,
): Promise<T> {
  const queue = queues.get(store) ?? new Map<string, Promise<unknown>>();
  queues.set(store, queue);
  const key = JSON.stringify(namespace);
  const earlier = queue.get(key);
  const running = earlier ? earlier.then(work, work) : work();
  queue.set(key, running);
  try {
    return await running;
  } finally {
    if (queue.get(key) === running) queue.delete(key);
  }
}
