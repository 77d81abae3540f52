/**
 * Spreads work over turns of the event loop: one piece per turn, with input and output in between.
 *
 * Owns the queue. Leaves out what the work is.
 */

const waiting: (() => void)[] = [];

/**
 * Resolves in a turn of its own, in the order of the calls. Sockets that are ready now are read before the work that
 * follows, so a burst of responses does not wait for the work that the first of them causes.
 *
 * @example
 * const response = await send(request);
 * await ownTurn();
 * work(response);
 */
export function ownTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (waiting.push(resolve) === 1) setImmediate(next);
  });
}

function next(): void {
  waiting.shift()?.();
  // Called within the check phase, it fires after the next poll phase.
  if (waiting.length > 0) setImmediate(next);
}
