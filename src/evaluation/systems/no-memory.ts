/** The baseline without memory: nothing is kept or recalled, so the reader has only the question. */
import { type MemorySystem, NO_USAGE } from "./memory-system.js";

/** Remembers nothing. */
export class NoMemory implements MemorySystem {
  readonly name = "no-memory";

  async reset(): Promise<void> {
    // Nothing to forget.
  }

  async observe(): Promise<typeof NO_USAGE> {
    return NO_USAGE;
  }

  async recall(): Promise<{ memories: []; usage: typeof NO_USAGE }> {
    return { memories: [], usage: NO_USAGE };
  }

  async all(): Promise<[]> {
    return [];
  }

  async close(): Promise<void> {
    // Nothing is held.
  }
}
