/**
 * The whole conversation in the context, as far as the window goes: the upper bound of what a memory could bring, at full price.
 *
 * When it does not fit, the oldest messages are left out, and `cut` says how many: a window shorter than the conversation makes
 * this a baseline of its own, and results have to say so.
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

/** Recalls all that was said, in order, the newest within `maxTokens`. */
export class FullContext implements MemorySystem {
  readonly name = "full-context";
  /** Messages that the last recall left out. */
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

  /** The first message from which on everything fits. */
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
