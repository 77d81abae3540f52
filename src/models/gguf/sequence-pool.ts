/**
 * Which sequence a request gets: the free one whose tokens begin most like the prompt, so that they need not be read again.
 *
 * Owns waiting in order and what may be reused. Leaves out evaluating (`engine.ts`). K rollouts of a task share system prompt
 * and tools: each sequence reads those once, and from then on only what is new.
 */

/** What the pool knows of a sequence. */
export interface Reusable {
  readonly contextTokens: readonly number[];
}

/** A sequence for one request. Give it back, also after a failure. */
export interface Lease<S> {
  sequence: S;
  /** Tokens of the prompt that the sequence holds already; at least the last one is read anew. */
  reused: number;
  release(): void;
}

interface Waiting<S> {
  prompt: readonly number[];
  give: (lease: Lease<S>) => void;
}

/** Hands out sequences, first come, first served. */
export class SequencePool<S extends Reusable> {
  readonly #free: S[];
  readonly #waiting: Waiting<S>[] = [];

  constructor(sequences: readonly S[]) {
    this.#free = [...sequences];
  }

  /**
   * The best free sequence, or the next one that is given back.
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

  /** Requests without a sequence. */
  get waiting(): number {
    return this.#waiting.length;
  }

  #lease(prompt: readonly number[]): Lease<S> {
    const shared = this.#free.map(({ contextTokens }) => commonPrefix(contextTokens, prompt));
    let best = 0;
    for (const [index, length] of shared.entries()) {
      const longest = shared[best] as number;
      // Of two that share as much, the shorter one loses less.
      const shorter = tokensOf(this.#free[index]) < tokensOf(this.#free[best]);
      if (length > longest || (length === longest && shorter)) best = index;
    }
    const [sequence] = this.#free.splice(best, 1) as [S];
    let released = false;
    return {
      sequence,
      reused: Math.min(shared[best] as number, Math.max(0, prompt.length - 1)),
      release: () => {
        if (released) return;
        released = true;
        this.#free.push(sequence);
        const next = this.#waiting.shift();
        if (next) next.give(this.#lease(next.prompt));
      },
    };
  }
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
