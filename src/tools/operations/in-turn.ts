/**
 * Writes to one namespace of long-term memory one after the other, within a process.
 *
 * ADD looks for an equal memory before it stores, UPDATE reads what it merges over: calls of one response that run at
 * the same time, as in `ToolNode` and `createAgent`, would not see each other. Owns the order only; several processes
 * on one store may still pass each other by.
 */
import type { BaseStore } from "@langchain/langgraph";

const queues = new WeakMap<BaseStore, Map<string, Promise<unknown>>>();

/**
 * Runs `work` when all earlier work on the namespace has settled, however it ended. An error is the caller's alone.
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
