/**
 * The whole conversation in the context, as far as it fits: an upper bound for a memory, at full cost.
 *
 * If it does not fit, the oldest messages are left out, and `cut` says how many. With a window shorter than the
 * conversation this is another baseline, and results must say so.
 */
import type { TokenCounter } from "../../types.js";
import {
  lineOf,
  type MemorySystem,
  NO_USAGE,
  type ObservedMessage,
  type RecallResult,
} from "./memory-system.js";

/** Options of {@link FullContext}. */
export interface FullContextOptions {
  /** Tokens that the conversation may take; default unlimited. */
  maxTokens?: number;
  /** Needed with `maxTokens`. */
  counter?: TokenCounter;
}

/** Recalls everything that was said, in order, or the newest messages that fit into `maxTokens`. */
export class FullContext implements MemorySystem {
  readonly name = "full-context";
  /** How many messages the last recall left out. */
  cut = 0;
  #messages: ObservedMessage[] = [];

  constructor(private readonly options: FullContextOptions = {}) {
    if (options.maxTokens !== undefined && !options.counter) {
      throw new TypeError("FullContext: maxTokens needs a counter. Give both, or neither.");
    }
  }

  async reset(): Promise<void> {
    this.#messages = [];
    this.cut = 0;
  }

  async observe(messages: readonly ObservedMessage[]): Promise<typeof NO_USAGE> {
    this.#messages.push(...messages);
    return NO_USAGE;
  }

  async recall(): Promise<RecallResult> {
    const kept = this.#messages.slice(this.#firstKept());
    this.cut = this.#messages.length - kept.length;
    return { memories: kept.map(toMemory), usage: NO_USAGE };
  }

  async all(): Promise<RecallResult["memories"]> {
    return this.#messages.map(toMemory);
  }

  async close(): Promise<void> {
    this.#messages = [];
  }

  /** Index of the first message of those that fit. */
  #firstKept(): number {
    const { maxTokens = Number.POSITIVE_INFINITY, counter } = this.options;
    let left = maxTokens;
    for (let at = this.#messages.length - 1; counter && at >= 0; at--) {
      left -= counter.countText(lineOf(this.#messages[at] as ObservedMessage)) + 1;
      if (left < 0) return at + 1;
    }
    return 0;
  }
}

function toMemory(message: ObservedMessage): RecallResult["memories"][number] {
  return { text: lineOf(message), score: null, sources: message.id === undefined ? [] : [message.id] };
}
