/**
 * A `fetch` for an endpoint that many rollouts share: it waits when the server is overloaded instead of failing them.
 *
 * Owns retries with jitter, Retry-After, and back-pressure: how many requests may run at once, and a pause of all of
 * them when the server asks for one (as a gateway does while weights are loaded). Leaves out the requests
 * (`endpoint.ts`) and the time limit of a rollout, which arrives as the request's signal.
 */
import { setTimeout as sleep } from "node:timers/promises";
import pLimit, { type LimitFunction } from "p-limit";
import { messageOf } from "../../errors.js";
import { ownTurn } from "../../lib/turn.js";

/** How long and how often to try. */
export interface PatienceOptions {
  /** Most concurrent requests; each HTTP 429 halves it, successes raise it again. Default 64. */
  concurrency?: number;
  /** Retries of one request, not counting pauses that the server asked for. Default 6. */
  retries?: number;
  /** Longest wait before the first retry in milliseconds, doubled each time, with full jitter. Default 500. */
  minDelayMs?: number;
  /** Cap on these waits in milliseconds. Default 30,000. */
  maxDelayMs?: number;
  /** Total of the Retry-After pauses that one request sits out, in milliseconds. Default 600,000 (10 minutes). */
  maxPauseMs?: number;
  /** Limit in milliseconds until `fetch` resolves: with the response's head, or its whole body. Default 300,000. */
  attemptTimeoutMs?: number;
  /** Sends the request. Default: the global `fetch`. */
  fetch?: typeof fetch;
  /** Uniform in [0, 1). Default: `Math.random`, because waits need not be reproducible. */
  random?: () => number;
}

/** Counts of requests and waiting. */
export interface PatienceStats {
  requests: number;
  retries: number;
  /** Answers with HTTP 429. */
  throttled: number;
  /** Total milliseconds of pauses and waits before retries; waiting for a free slot is not counted. */
  waitedMs: number;
  /** Why the latest of them was sent again, such as "HTTP 503"; absent before the first. */
  lastProblem?: string;
}

const RETRIED = new Set([408, 429, 500, 502, 503, 504]);

/**
 * Make one per endpoint, and use its {@link PatientFetch.fetch} in all clients of that endpoint.
 *
 * @example
 * const { fetch } = new PatientFetch({ concurrency: 32 });
 * const model = new ChatOpenAI({ model, configuration: { baseURL, fetch }, maxRetries: 0 });
 */
export class PatientFetch {
  readonly stats: PatienceStats = { requests: 0, retries: 0, throttled: 0, waitedMs: 0 };
  private readonly options: Required<PatienceOptions>;
  private readonly slots: LimitFunction;
  /** Grows by a fraction with each success; its integer part is the number of slots. */
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

  /** How many requests may run at once now. */
  get concurrency(): number {
    return this.slots.concurrency;
  }

  /** Like the global `fetch`. Once retries are used up, the last response or error is passed on. */
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
        // The slot is free now: let the next request go out before the caller starts to work on this answer.
        await ownTurn();
        return settle(outcome);
      }
      await outcome.response?.body?.cancel();
      this.stats.retries++;
      this.stats.lastProblem = outcome.response
        ? `HTTP ${outcome.response.status}`
        : messageOf(outcome.error);
      // A pause that the server asked for holds back all requests: see `attempt`.
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
    // Not a listener on the caller's signal: the signal also governs reading the body, so the listener could not be
    // removed here, and they would add up over a rollout's many requests.
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

  /** Decides whether to try again, and adjusts to the load that the answer reports. */
  private async judge(response: Response): Promise<Outcome> {
    if (response.ok) this.widen();
    if (!RETRIED.has(response.status)) return { response, again: false };
    const pauseMs = retryAfterMs(response);
    if (response.status === 429) {
      this.stats.throttled++;
      // Waiting does not restore a used-up quota.
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
      // Throw the reason of the abort instead of a plain AbortError.
      signal?.throwIfAborted();
      throw error;
    }
  }
}

/** Result of one attempt: a response or an error, and whether another attempt may help. */
interface Outcome {
  response?: Response;
  error?: unknown;
  again: boolean;
  /** The pause that the server asked for. */
  pauseMs?: number | undefined;
}

function settle({ response, error }: Outcome): Response {
  if (response) return response;
  throw error;
}

/** Retry-After, given as seconds or as a date, in milliseconds; undefined when it is neither. */
function retryAfterMs(response: Response): number | undefined {
  const text = response.headers.get("retry-after")?.trim();
  if (!text) return undefined;
  const seconds = Number(text);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}
