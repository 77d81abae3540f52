/**
 * Says what a long command is waiting for: a model that is loading, an endpoint that does not answer yet.
 *
 * Owns the lines and how often they come. Leaves out progress once there is any (`progress.ts`).
 */
import type { PatienceStats } from "../rollout/http/patient-fetch.js";

/** Where lines go; standard error. */
type Say = (line: string) => void;

const EVERY_MS = 10_000;

/** Waits for `work`; says what it is at once, and again every ten seconds. */
export async function waitFor<T>(what: string, work: Promise<T>, say: Say): Promise<T> {
  say(`opening ${what}`);
  const startedAt = Date.now();
  const timer = setInterval(
    () => say(`still opening ${what} after ${seconds(Date.now() - startedAt)}`),
    EVERY_MS,
  );
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}

/** What is known of a run's endpoint and its rollouts at a moment. */
interface Moment {
  done: number;
  stats: Readonly<PatienceStats>;
}

/**
 * Every ten seconds, says when no rollout has ended yet, or when requests had to be sent again since the last line. Returns the
 * function that ends it.
 */
export function watchEndpoint(name: string, now: () => Moment, say: Say): () => void {
  const startedAt = Date.now();
  let told = 0;
  const timer = setInterval(() => {
    const { done, stats } = now();
    const again = stats.retries - told;
    told = stats.retries;
    if (again > 0) {
      const last = !stats.lastProblem ? "" : ` (the last: ${stats.lastProblem})`;
      say(`waiting for ${name}: ${again} of its requests were sent again in the last 10 s${last}`);
    } else if (done === 0) {
      say(`waiting for ${name}: no rollout has ended after ${seconds(Date.now() - startedAt)}`);
    }
  }, EVERY_MS);
  return () => clearInterval(timer);
}

const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;
