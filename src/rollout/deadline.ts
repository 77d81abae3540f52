/**
 * Short-lived abort signals: one per piece of work, tied to its parent only while the work runs.
 *
 * LangGraph leaves a listener on the signal of every invocation (`pregel/index.js` never disposes of what
 * `combineAbortSignals` returns), which keeps the run's memory alive as long as the signal. A signal that is dropped
 * with the work avoids the leak.
 */

/** Abort reason of a signal whose time ran out. */
export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
}

/**
 * Runs work under a signal of its own that follows `parent`; no listener stays on `parent` afterwards.
 *
 * @param timeoutMs when the signal aborts with a {@link DeadlineError}, in milliseconds from now; default: never
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
