/**
 * How much a model may store and do: size of a memory, memories per namespace, operations per user message.
 *
 * Owns the defaults, the refusals with their remedies, and the count of operations. Pure; leaves out where the limits
 * are applied (`long-term.ts`, `operation-context.ts`).
 */
import { type BaseMessage, ToolMessage } from "@langchain/core/messages";
import type { AppliedEdit } from "../context/edit.js";
import { humanMessage, isUserMessage, textOf } from "../context/messages.js";
import { InputError } from "../errors.js";
import { isOutcome, type MemoryValue } from "../types.js";

/** Limits of the memory operations. A call beyond one is refused with `AGEMEM_MEMORY_LIMIT`. */
export interface MemoryLimits {
  /** Characters of one memory: content, kind, and metadata as JSON; default 8,000. */
  characters: number;
  /** Memories in the run's namespace; default 10,000. Concurrent ADDs of several processes may exceed it by a few. */
  memories: number;
  /** Memory operations per user message, including refused ones; default 100. */
  operations: number;
  /**
   * Deletions per user message; default 10. Injected text that talks a model into deleting everything is stopped here,
   * and the model is told to ask the user.
   */
  deletions: number;
}

const DEFAULT_LIMITS: MemoryLimits = { characters: 8000, memories: 10_000, operations: 100, deletions: 10 };

/** Fills in defaults. */
export function resolveLimits(given: Partial<MemoryLimits> = {}): MemoryLimits {
  return {
    ...DEFAULT_LIMITS,
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  };
}

/** Throws `AGEMEM_MEMORY_LIMIT` when a memory is too large to store. */
export function checkSize(limits: MemoryLimits, { content, memory_type, metadata }: MemoryValue): void {
  const facts = Object.keys(metadata).length ? JSON.stringify(metadata).length : 0;
  const size = content.length + memory_type.length + facts;
  if (size <= limits.characters) return;
  throw refusal(`The memory has ${size} characters, ${limits.characters} are allowed`, {
    remedy: "Store only what matters, or split it into several memories.",
    details: { limit: "characters", size },
  });
}

/** The refusal of an ADD to a full namespace. */
export function namespaceFull({ memories }: MemoryLimits): InputError {
  return refusal(`${memories} memories are stored, and no more are allowed`, {
    remedy: "Update a memory that says nearly the same, or delete those that are no longer true.",
    details: { limit: "memories" },
  });
}

/** The refusal of an operation after `done` others for the same user message; undefined below the limit. */
export function tooMany({ operations }: MemoryLimits, done: number): InputError | undefined {
  if (done < operations) return undefined;
  return refusal(`${operations} memory operations have run for this user message, and no more are allowed`, {
    remedy: "Call no more memory tools; answer the user with what is in the context.",
    details: { limit: "operations" },
  });
}

/** The refusal of a DELETE after `done` others for the same user message; undefined below the limit. */
export function tooManyDeletions({ deletions }: MemoryLimits, done: number): InputError | undefined {
  if (done < deletions) return undefined;
  return refusal(`${done} memories were deleted for this user message, and no more may be`, {
    remedy: "Tell the user what was deleted and ask whether to continue; a new user message allows more.",
    details: { limit: "deletions" },
  });
}

/** Operations since the newest user message. */
export interface OperationCounts {
  /** Including refused ones. */
  operations: number;
  /** Successful ones only. */
  deletions: number;
}

/**
 * Counts the memory operations since the newest user message: their answers in the context, plus the answers that
 * edits have removed. An edit's own answer says how many; the overflow guard has no answer, so its summary says it.
 */
export function countsIn(messages: readonly BaseMessage[]): OperationCounts {
  const at = messages.findLastIndex(isUserMessage);
  const user = messages[at]?.id;
  const counts: OperationCounts = { operations: 0, deletions: 0 };
  for (const [i, message] of messages.entries()) {
    const taken = message.additional_kwargs[OPERATIONS_KEY] as TakenOut | undefined;
    if (taken && taken.since === user) {
      counts.operations += taken.count;
      counts.deletions += taken.deletions ?? 0;
    }
    if (i <= at || !ToolMessage.isInstance(message) || !isOutcome(message.artifact)) continue;
    const { op, ok, operationsRemoved = 0, deletionsRemoved = 0 } = message.artifact;
    counts.operations += 1 + operationsRemoved;
    counts.deletions += (op === "DELETE" && ok ? 1 : 0) + deletionsRemoved;
  }
  return counts;
}

/** On a summary of the overflow guard: how many operations' answers it replaced, and since which user message. */
interface TakenOut {
  since: string | undefined;
  count: number;
  deletions?: number;
}
const OPERATIONS_KEY = "agemem_operations";

/** The guard's edit, with the operations it removed noted on its summary. */
export function noteOperations(edit: AppliedEdit, before: readonly BaseMessage[]): AppliedEdit {
  const [all, left] = [countsIn(before), countsIn(edit.messages)];
  const count = all.operations - left.operations;
  const deletions = all.deletions - left.deletions;
  if (count <= 0) return edit;
  const since = before.findLast(isUserMessage)?.id;
  const summary = edit.report.addedIds[0];
  const messages = edit.messages.map((message) => {
    if (message.id !== summary) return message;
    return humanMessage(summary as string, textOf(message), {
      ...message.additional_kwargs,
      [OPERATIONS_KEY]: { since, count, deletions } satisfies TakenOut,
    });
  });
  return { ...edit, messages };
}

function refusal(message: string, more: { remedy: string; details: Record<string, unknown> }): InputError {
  return new InputError("AGEMEM_MEMORY_LIMIT", message, more);
}
