/**
 * A `fetch` for an endpoint that many rollouts share: it waits out overload instead of failing the rollouts.
 *
 * Owns retries with jitter, Retry-After, and back-pressure: how many requests may be under way, and a pause of all of
 * them when the server asks for one (a gateway does while weights are loaded). Leaves out what is asked (`endpoint.ts`)
 * and the time limit of a rollout, which comes in with the request's signal.
 */
import { setTimeout as sleep } from "node:timers/promises";
import pLimit, { type LimitFunction } from "p-limit";
import { ownTurn } from "../../lib/turn.js";

/** How long and how often to try. */
export interface PatienceOptions {
  /** Requests under way at most; halved by each HTTP 429, regained by successes. Default 64. */
  concurrency?: number;
  /** Attempts after the first that failed for another reason than a pause asked for. Default 6. */
  retries?: number;
  /** Wait before the first retry in milliseconds, doubled each time, with full jitter. Default 500. */
  minDelayMs?: number;
  /** Longest of these waits. Default 30 s. */
  maxDelayMs?: number;
  /** Pauses asked for by Retry-After that one request sits out, in sum. Default 10 minutes. */
  maxPauseMs?: number;
  /** Time of one attempt until the response's head. Default 5 minutes. */
  attemptTimeoutMs?: number;
  /** What sends the request. Default the global `fetch`. */
  fetch?: typeof fetch;
  /** Uniform in [0, 1). Default `Math.random`: waits need not repeat. */
  random?: () => number;
}

/** What the endpoint cost in patience. */
export interface PatienceStats {
  requests: number;
  retries: number;
  /** Answers with HTTP 429. */
  throttled: number;
  /** Milliseconds requests waited before an attempt, in sum. */
  waitedMs: number;
}

const RETRIED = new Set([408, 429, 500, 502, 503, 504]);

/**
 * Use one per endpoint, and its {@link PatientFetch.fetch} in every client of it.
 *
 * @example
 * const { fetch } = new PatientFetch({ concurrency: 32 });
 * const model = new ChatOpenAI({ model, configuration: { baseURL, fetch }, maxRetries: 0 });
 */
export class PatientFetch {
  readonly stats: PatienceStats = { requests: 0, retries: 0, throttled: 0, waitedMs: 0 };
  private readonly options: Required<PatienceOptions>;
  private readonly slots: LimitFunction;
  /** Grows by a part with each success; the slots are its whole part. */
  private allowed: number;
  /** No attempt begins before this time (Unix, milliseconds). */
  private pausedUntil = 0;

  constructor(options: PatienceOptions = {}) {
    this.options = {
      concurrency: 64,
      retries: 6,
      minDelayMs: 500,
      maxDelayMs: 30_000,
      maxPauseMs: 600_000,
      attemptTimeoutMs: 300_000,
      fetch: globalThis.fetch,
      random: Math.random,
      ...options,
    };
    this.allowed = this.options.concurrency;
    this.slots = pLimit(this.allowed);
  }

  /** Requests that may be under way now. */
  get concurrency(): number {
    return this.slots.concurrency;
  }

  /** Like the global `fetch`; the last failure comes back as it is when patience is at its end. */
  readonly fetch: typeof fetch = async (input, init) => {
    const signal = init?.signal ?? undefined;
    this.stats.requests++;
    let tries = 0;
    let paused = 0;
    for (;;) {
      const outcome = await this.slots(() => this.attempt(input, init, signal));
      const { again, pauseMs } = outcome;
      const patient =
        pauseMs === undefined ? tries < this.options.retries : paused + pauseMs <= this.options.maxPauseMs;
      if (!again || !patient) {
        // The slot is free by now: whoever waits for it sends before the caller begins to work on the answer.
        await ownTurn();
        return settle(outcome);
      }
      await outcome.response?.body?.cancel();
      this.stats.retries++;
      // A pause asked for holds back all requests: see `attempt`.
      if (pauseMs === undefined) await this.wait(this.backoff(tries++), signal);
      else paused += pauseMs;
    }
  };

  private async attempt(
    input: Parameters<typeof fetch>[0],
    init: RequestInit | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Outcome> {
    await this.wait(this.pausedUntil - Date.now(), signal);
    signal?.throwIfAborted();
    const controller = new AbortController();
    // Not a listener of the caller's signal: it governs the body too, so it could not be removed here, and a rollout
    // makes many requests with one signal.
    const ends = signal ? AbortSignal.any([signal, controller.signal]) : controller.signal;
    const timer = setTimeout(() => {
      controller.abort(new DOMException("The attempt took too long.", "TimeoutError"));
    }, this.options.attemptTimeoutMs);
    try {
      return await this.judge(await this.options.fetch(input, { ...init, signal: ends }));
    } catch (error) {
      signal?.throwIfAborted();
      return { error, again: true };
    } finally {
      clearTimeout(timer);
    }
  }

  /** Whether to ask again, and what the answer says about the load. */
  private async judge(response: Response): Promise<Outcome> {
    if (response.ok) this.widen();
    if (!RETRIED.has(response.status)) return { response, again: false };
    const pauseMs = retryAfterMs(response);
    if (response.status === 429) {
      this.stats.throttled++;
      // A quota does not come back by waiting.
      if (/insufficient_quota/.test(await response.clone().text())) return { response, again: false };
      this.narrow();
    }
    if (pauseMs !== undefined) {
      const jitter = this.options.random() * Math.min(1000, pauseMs / 10);
      this.pausedUntil = Math.max(this.pausedUntil, Date.now() + pauseMs + jitter);
    }
    return { response, again: true, pauseMs };
  }

  private narrow(): void {
    this.allowed = Math.max(1, this.allowed / 2);
    this.slots.concurrency = Math.floor(this.allowed);
  }

  private widen(): void {
    if (this.allowed >= this.options.concurrency) return;
    this.allowed = Math.min(this.options.concurrency, this.allowed + 1 / this.allowed);
    this.slots.concurrency = Math.floor(this.allowed);
  }

  private backoff(tries: number): number {
    const { minDelayMs, maxDelayMs, random } = this.options;
    return random() * Math.min(maxDelayMs, minDelayMs * 2 ** tries);
  }

  private async wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
    if (ms <= 0) return;
    this.stats.waitedMs += ms;
    try {
      await sleep(ms, undefined, signal ? { signal } : {});
    } catch (error) {
      // The reason of the abort, rather than that there was one.
      signal?.throwIfAborted();
      throw error;
    }
  }
}

/** One attempt: an answer or a failure to get one, and whether another attempt may help. */
interface Outcome {
  response?: Response;
  error?: unknown;
  again: boolean;
  /** The pause the server asked for. */
  pauseMs?: number | undefined;
}

function settle({ response, error }: Outcome): Response {
  if (response) return response;
  throw error;
}

/** Retry-After as seconds or as a date; undefined when it is neither. */
function retryAfterMs(response: Response): number | undefined {
  const text = response.headers.get("retry-after")?.trim();
  if (!text) return undefined;
  const seconds = Number(text);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}
