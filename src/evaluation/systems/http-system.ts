/**
 * Another project's memory behind a small HTTP server (`examples/baselines`): `POST /reset {user}`, `/add {messages}`,
 * `/search {query, k}`, `/all`.
 *
 * Owns the client: time limits, and errors that say what failed. The cost of the memory's own model calls is read from
 * the counting endpoint before and after each call. Leaves out starting the server (`peers.ts`).
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, fetch } from "undici";
import { z } from "zod";
import { EnvironmentError, messageOf } from "../../errors.js";
import {
  combineUsage,
  lineOf,
  type MemorySystem,
  NO_USAGE,
  type ObservedMessage,
  type RecalledMemory,
  type RecallResult,
  type SystemUsage,
} from "./memory-system.js";

/** Options of {@link HttpMemorySystem}. */
export interface HttpSystemOptions {
  name: string;
  /** Address of the memory's server, such as "http://127.0.0.1:8700". */
  url: string;
  /** Returns the usage of its model calls so far, such as `() => proxy.usage("mem0")`; default: unknown. */
  meter?: () => SystemUsage;
  /** Time limit of one call in milliseconds; default 600,000, because a memory may call its model many times. */
  timeoutMs?: number;
}

const memories = z.object({
  memories: z.array(
    z.object({ text: z.string(), score: z.number().nullish(), sources: z.array(z.string()).optional() }),
  ),
});

/**
 * Without undici's limits (five minutes until the headers), because a memory may take longer; `timeoutMs` still
 * applies.
 */
const dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0 });

/** A memory that is called over HTTP. */
export class HttpMemorySystem implements MemorySystem {
  readonly name: string;

  constructor(private readonly options: HttpSystemOptions) {
    this.name = options.name;
  }

  /** Waits until the server answers. Throws `AGEMEM_SYSTEM_FAILED` if it does not in time. */
  async ready(waitMs = 60_000): Promise<void> {
    const until = Date.now() + waitMs;
    for (;;) {
      try {
        await fetch(this.options.url, { signal: AbortSignal.timeout(2000) });
        return;
      } catch (cause) {
        if (Date.now() > until) throw this.#failed(`does not answer after ${waitMs} ms`, cause);
        await sleep(200);
      }
    }
  }

  async reset({ user }: { user: string }): Promise<void> {
    await this.#post("/reset", { user });
  }

  async observe(messages: readonly ObservedMessage[]): Promise<SystemUsage> {
    if (messages.length === 0) return NO_USAGE;
    const sent = messages.map((message) => ({
      role: message.role,
      content: lineOf(message),
      ...(message.id === undefined ? {} : { id: message.id }),
    }));
    return (await this.#metered(() => this.#post("/add", { messages: sent }))).usage;
  }

  async recall(query: string, { k, signal }: { k: number; signal?: AbortSignal }): Promise<RecallResult> {
    const { answer, usage } = await this.#metered(() => this.#post("/search", { query, k }, signal));
    return { memories: this.#read(answer).slice(0, k), usage };
  }

  async all(): Promise<readonly RecalledMemory[]> {
    return this.#read(await this.#post("/all", {}));
  }

  async close(): Promise<void> {
    // The server is stopped by what started it.
  }

  async #metered(work: () => Promise<unknown>): Promise<{ answer: unknown; usage: SystemUsage }> {
    const read = this.options.meter ?? (() => ({ ...NO_USAGE, promptTokens: null, responseTokens: null }));
    const before = read();
    const answer = await work();
    return { answer, usage: combineUsage(read(), before, -1) };
  }

  #read(answer: unknown): RecalledMemory[] {
    const parsed = memories.safeParse(answer);
    if (!parsed.success) throw this.#failed("answered with what is not its protocol", parsed.error);
    return parsed.data.memories.map(({ text, score, sources }) => ({
      text,
      score: score ?? null,
      sources: sources ?? [],
    }));
  }

  async #post(path: string, body: object, signal?: AbortSignal): Promise<unknown> {
    const { url, timeoutMs = 600_000 } = this.options;
    const limit = AbortSignal.timeout(timeoutMs);
    let response: Awaited<ReturnType<typeof fetch>>;
    let text: string;
    try {
      response = await fetch(`${url}${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
        dispatcher,
        signal: signal ? AbortSignal.any([limit, signal]) : limit,
      });
      text = await response.text();
    } catch (cause) {
      if (signal?.aborted) throw signal.reason;
      const why = limit.aborted
        ? `did not answer ${path} within ${timeoutMs} ms`
        : `cannot be reached at ${url}`;
      throw this.#failed(why, cause);
    }
    if (!response.ok) throw this.#failed(`refused ${path} with ${response.status}: ${text.slice(0, 300)}`);
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw this.#failed(`answered ${path} with what is not JSON`, cause);
    }
  }

  #failed(what: string, cause?: unknown): EnvironmentError {
    return new EnvironmentError("AGEMEM_SYSTEM_FAILED", `${this.name} ${what}`, {
      cause,
      remedy: "Read the log of its server, and start it again.",
      details: cause === undefined ? {} : { reason: messageOf(cause) },
    });
  }
}
