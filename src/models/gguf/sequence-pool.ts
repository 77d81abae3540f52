/**
 * Which sequence a request gets, and where the beginning of its prompt can be copied from.
 *
 * Owns waiting in order, and who holds or is about to hold which tokens. Leaves out evaluating (`engine.ts`) and copying
 * (`state-copy.ts`). K rollouts of a task share system prompt and tools: one sequence reads those, the others copy them.
 */

/** What the pool knows of a sequence. */
export interface Reusable {
  /** Tokens that are evaluated. */
  readonly contextTokens: readonly number[];
}

/** A sequence for one request. Give it back, also after a failure. */
export interface Lease<S> {
  readonly sequence: S;
  readonly prompt: readonly number[];
  /** Tokens of the prompt that the sequence holds already; at least the last one is read anew. */
  reused(): number;
  /** Tells those who wait for this prompt's beginning that more of it is read. */
  progressed(): void;
  release(): void;
}

interface Waiting<S> {
  prompt: readonly number[];
  give: (lease: Lease<S>) => void;
}

/** A lease that is not given back yet. */
interface Busy<S> {
  lease: Lease<S>;
  /** Requests wait only for earlier ones, so that two never wait for each other. */
  order: number;
  watchers: Set<() => void>;
}

/** Fewer tokens are read again in about the time a copy takes. */
export const LEAST_COPY = 64;
/** A copy takes all tokens of a sequence along; a beginning that is a smaller part of them is not worth it. */
const LEAST_SHARE = 0.25;

/** Hands out sequences, first come, first served. */
export class SequencePool<S extends Reusable> {
  readonly #free: S[];
  readonly #busy = new Set<Busy<S>>();
  readonly #waiting: Waiting<S>[] = [];
  #orders = 0;

  constructor(sequences: readonly S[]) {
    this.#free = [...sequences];
  }

  /**
   * The free sequence whose tokens begin most like the prompt, or the next one that is given back.
   *
   * @throws the signal's reason when it is aborted first
   */
  acquire(prompt: readonly number[], signal?: AbortSignal): Promise<Lease<S>> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#free.length > 0) return Promise.resolve(this.#lease(prompt));
    return new Promise((resolve, reject) => {
      const abort = () => {
        const at = this.#waiting.indexOf(entry);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(signal?.reason);
      };
      const entry: Waiting<S> = {
        prompt,
        give: (lease) => {
          signal?.removeEventListener("abort", abort);
          resolve(lease);
        },
      };
      signal?.addEventListener("abort", abort, { once: true });
      this.#waiting.push(entry);
    });
  }

  /**
   * Another sequence that holds more of the prompt's beginning; undefined where none is worth copying. Waits while an earlier
   * request is still reading what both share.
   *
   * @throws the signal's reason when it is aborted meanwhile
   */
  async source(lease: Lease<S>, signal?: AbortSignal): Promise<S | undefined> {
    const own = [...this.#busy].find((busy) => busy.lease === lease);
    for (;;) {
      signal?.throwIfAborted();
      const least = lease.reused() + LEAST_COPY;
      const ready = this.#best(this.#held(lease), lease.prompt, least);
      const earlier = [...this.#busy].filter(({ order }) => own !== undefined && order < own.order);
      const coming = longest(
        earlier.map((busy) => [busy, comingFrom(busy, lease.prompt)]),
        Math.max(least, (ready?.length ?? 0) + 1),
      );
      if (coming === undefined) return ready?.sequence;
      await progressOf(coming, signal);
    }
  }

  /** Requests without a sequence. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** All sequences but the lease's own. */
  #held(lease: Lease<S>): S[] {
    const busy = [...this.#busy].map((each) => each.lease.sequence);
    return [...this.#free, ...busy].filter((sequence) => sequence !== lease.sequence);
  }

  #best(
    sequences: readonly S[],
    prompt: readonly number[],
    least: number,
  ): { sequence: S; length: number } | undefined {
    const shared = sequences.map(
      ({ contextTokens }, at) => [at, worthCopying(contextTokens, prompt)] as const,
    );
    const at = longest(shared, least);
    if (at === undefined) return undefined;
    return { sequence: sequences[at] as S, length: (shared[at] as readonly [number, number])[1] };
  }

  #lease(prompt: readonly number[]): Lease<S> {
    const shared = this.#free.map(({ contextTokens }) => commonPrefix(contextTokens, prompt));
    let best = 0;
    for (const [index, length] of shared.entries()) {
      const most = shared[best] as number;
      // Of two that share as much, the shorter one loses less.
      const shorter = tokensOf(this.#free[index]) < tokensOf(this.#free[best]);
      if (length > most || (length === most && shorter)) best = index;
    }
    const [sequence] = this.#free.splice(best, 1) as [S];
    const watchers = new Set<() => void>();
    const tell = () => {
      for (const watcher of [...watchers]) watcher();
    };
    const lease: Lease<S> = {
      sequence,
      prompt,
      reused: () => reusable(sequence.contextTokens, prompt),
      progressed: tell,
      release: () => {
        if (!this.#busy.delete(busy)) return;
        this.#free.push(sequence);
        tell();
        const next = this.#waiting.shift();
        if (next) next.give(this.#lease(next.prompt));
      },
    };
    const busy: Busy<S> = { lease, order: this.#orders++, watchers };
    this.#busy.add(busy);
    return lease;
  }
}

/** Until more of the prompt is read, or the request is over. */
function progressOf({ watchers }: Busy<unknown>, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      watchers.delete(end);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    watchers.add(end);
    signal?.addEventListener("abort", end, { once: true });
  });
}

/** The entry of the greatest length that is at least `least`. */
function longest<T>(entries: readonly (readonly [T, number])[], least: number): T | undefined {
  let best: readonly [T, number] | undefined;
  for (const entry of entries) {
    if (entry[1] >= least && (best === undefined || entry[1] > best[1])) best = entry;
  }
  return best?.[0];
}

/** Tokens of the prompt that a request will have read, and has not yet. */
function comingFrom({ lease }: Busy<Reusable>, prompt: readonly number[]): number {
  const coming = worthCopying(lease.prompt.slice(0, -1), prompt);
  return reusable(lease.sequence.contextTokens, prompt) < coming ? coming : 0;
}

/** Tokens of the prompt among those held, unless they are too small a part. */
function worthCopying(held: readonly number[], prompt: readonly number[]): number {
  const length = reusable(held, prompt);
  return length >= held.length * LEAST_SHARE ? length : 0;
}

/** Tokens of the prompt that are held; the last one is read anew, for what follows it. */
function reusable(held: readonly number[], prompt: readonly number[]): number {
  return Math.min(commonPrefix(held, prompt), Math.max(0, prompt.length - 1));
}

function tokensOf(sequence: Reusable | undefined): number {
  return sequence?.contextTokens.length ?? 0;
}

/** How many tokens two lists begin with alike. */
export function commonPrefix(a: readonly number[], b: readonly number[]): number {
  const end = Math.min(a.length, b.length);
  let at = 0;
  while (at < end && a[at] === b[at]) at++;
  return at;
}
