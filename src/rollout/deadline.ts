/**
 * Abort signals of limited life: one per piece of work, tied to its parent only while the work runs.
 *
 * LangGraph leaves a listener on the signal of every invocation (what `combineAbortSignals` returns is not disposed of
 * in `pregel/index.js`), which keeps the whole run alive as long as the signal. A signal that ends with the work ends
 * the leak.
 */

/** The reason of a signal whose time was up. */
export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
}

/**
 * Runs work under a signal of its own that follows `parent`; nothing stays on `parent` afterwards.
 *
 * @param timeoutMs after so long the signal aborts with a {@link DeadlineError}; default: never
 * @example
 * await withSignal(run.signal, (signal) => agent.invoke(input, { signal }));
 */
export async function withSignal<T>(
  parent: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
  timeoutMs?: number,
): Promise<T> {
  const controller = new AbortController();
  const follow = (): void => controller.abort(parent?.reason);
  if (parent?.aborted) follow();
  else parent?.addEventListener("abort", follow, { once: true });
  const expire = (): void => controller.abort(new DeadlineError(`It took longer than ${timeoutMs} ms.`));
  const timer = timeoutMs === undefined ? undefined : setTimeout(expire, timeoutMs);
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    parent?.removeEventListener("abort", follow);
  }
}
