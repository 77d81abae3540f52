/**
 * How much a model may store and do: size of one memory, memories of a namespace, operations of a run.
 *
 * Owns the defaults and the refusals, each with what the model can do about it. Pure; leaves out where the numbers
 * come from (`long-term.ts`, `operation-context.ts`).
 */
import { type BaseMessage, ToolMessage } from "@langchain/core/messages";
import { isUserMessage } from "../context/messages.js";
import { ConfigError, InputError } from "../errors.js";
import { isOutcome, type MemoryValue } from "../types.js";

/** Limits of the memory operations. A model that reaches one is refused with `AGEMEM_MEMORY_LIMIT`. */
export interface MemoryLimits {
  /** Characters of one memory: content, kind, and metadata as JSON; default 8,000. */
  characters: number;
  /**
   * Memories in the run's namespace, with those of namespaces below it; default 10,000. ADDs that run at the same time
   * see the same number and may pass it by a few.
   */
  memories: number;
  /** Memory operations that one user message may set off, refused ones included; default 100. */
  operations: number;
}

const DEFAULT_LIMITS: MemoryLimits = { characters: 8000, memories: 10_000, operations: 100 };

/** Fills in defaults. Errors: `AGEMEM_CONFIG_INVALID` for what is not a whole number of at least 1. */
export function resolveLimits(given: Partial<MemoryLimits> = {}): MemoryLimits {
  const limits = { ...DEFAULT_LIMITS, ...given };
  for (const [name, value] of Object.entries(limits)) {
    if (Number.isSafeInteger(value) && value >= 1) continue;
    throw new ConfigError("AGEMEM_CONFIG_INVALID", `limits.${name} is ${value}`, {
      remedy: "Give a whole number of at least 1.",
      details: { name: `limits.${name}`, value },
    });
  }
  return limits;
}

/** Throws when a memory is too large to be stored. */
export function checkSize(limits: MemoryLimits, { content, memory_type, metadata }: MemoryValue): void {
  const facts = Object.keys(metadata).length ? JSON.stringify(metadata).length : 0;
  const size = content.length + memory_type.length + facts;
  if (size <= limits.characters) return;
  throw refusal(`The memory has ${size} characters, ${limits.characters} are allowed`, {
    remedy: "Store only what matters, or split it into several memories.",
    details: { limit: "characters", size },
  });
}

/** What a namespace at its limit answers to an ADD. */
export function namespaceFull({ memories }: MemoryLimits): InputError {
  return refusal(`${memories} memories are stored, and no more are allowed`, {
    remedy: "Update a memory that says nearly the same, or delete those that are no longer true.",
    details: { limit: "memories" },
  });
}

/** What a call answers that `done` operations of the run went before; undefined below the limit. */
export function tooMany({ operations }: MemoryLimits, done: number): InputError | undefined {
  if (done < operations) return undefined;
  return refusal(`${operations} memory operations have run for this message, and no more are allowed`, {
    remedy: "Call no more memory tools; answer the user with what is in the context.",
    details: { limit: "operations" },
  });
}

/** Memory operations since the newest user message, by the answers that are still in the context. */
export function operationsIn(messages: readonly BaseMessage[]): number {
  const isAnswer = (message: BaseMessage) => ToolMessage.isInstance(message) && isOutcome(message.artifact);
  return messages.slice(messages.findLastIndex(isUserMessage) + 1).filter(isAnswer).length;
}

function refusal(message: string, more: { remedy: string; details: Record<string, unknown> }): InputError {
  return new InputError("AGEMEM_MEMORY_LIMIT", message, more);
}
