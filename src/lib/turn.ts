/**
 * Turns of the event loop: work that many wait for, one piece at a time, with input and output in between.
 *
 * Owns the queue. Leaves out what the work is.
 */

const waiting: (() => void)[] = [];

/**
 * Resolves in a turn of its own, in order of asking. What follows then runs after the sockets that are ready now have
 * been read, not before: a burst of answers does not wait for the work that the first of them sets off.
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
  // Set within the check phase, it fires after the next poll.
  if (waiting.length > 0) setImmediate(next);
}
