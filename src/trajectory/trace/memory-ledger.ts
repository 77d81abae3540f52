/**
 * What long-term memory held at any time, as far as a recording shows: the contents written by ADD and UPDATE, and
 * those shown to the model.
 *
 * Owns contents over time. Memories from before the recording become known once they are shown. Pure.
 */
import type { StepRecord } from "../schema.js";
import type { MemoryOpRecord } from "../schema-parts.js";
import { argumentOf, contentText, memoriesIn } from "./context-text.js";

/** Where something happened. */
export interface Place {
  rolloutId: string;
  /** `step_index` of the call to which the operation belongs. */
  step: number;
}

/** One memory in its current state. */
export interface MemoryEntry {
  id: string;
  namespace: string;
  /** Null when the recording does not show it. */
  content: string | null;
  present: boolean;
  /** Null for a memory from before the recording. */
  storedAt: Place | null;
}

/** A memory that was added, changed or deleted. `before` and `after` are contents; null = none, or unknown. */
export interface MemoryChange {
  op: "ADD" | "UPDATE" | "DELETE";
  id: string;
  namespace: string;
  before: string | null;
  after: string | null;
  at: Place;
}

/** The memories of one store, operation by operation. */
export class MemoryLedger {
  private readonly entries = new Map<string, MemoryEntry>();
  readonly changes: MemoryChange[] = [];
  /** Whether long-term memory held something before the first recorded operation. */
  heldBefore = false;

  /** Applies an operation, successful or refused, in the order of the recording. */
  apply(op: MemoryOpRecord, step: StepRecord): void {
    const at = { rolloutId: step.rollout_id, step: step.step_index };
    const namespace = JSON.stringify(op.namespace);
    const args = argumentsOf(op, step);
    if (!op.ok) {
      this.learnDuplicate(op, namespace, args);
      return;
    }
    if (op.op === "RETRIEVE") for (const id of op.memory_ids) this.meet(id, namespace);
    if (op.op !== "ADD" && op.op !== "UPDATE" && op.op !== "DELETE") return;
    const content = argumentOf(args, "content");
    for (const id of op.memory_ids) {
      const known = this.entries.get(key(namespace, id));
      if (op.op !== "ADD" && !known) this.heldBefore = true;
      const after = op.op !== "DELETE" && typeof content === "string" ? content : null;
      this.changes.push({ op: op.op, id, namespace, before: known?.content ?? null, after, at });
      const storedAt = op.op === "ADD" ? at : (known?.storedAt ?? null);
      const shown = op.op === "DELETE" ? (known?.content ?? null) : after;
      this.entries.set(key(namespace, id), {
        id,
        namespace,
        content: shown,
        present: op.op !== "DELETE",
        storedAt,
      });
    }
  }

  /** Learns the contents of memories from before the recording from a prompt that shows them. */
  learn(step: StepRecord): void {
    for (const { id, content } of step.messages.flatMap((message) =>
      memoriesIn(contentText(message.content)),
    )) {
      const entry = [...this.entries.values()].find((each) => each.id === id);
      if (entry?.content === null && entry.storedAt === null) entry.content = content;
      if (!entry) this.meetShown(id, content);
    }
  }

  /** Memories that exist now in one of the namespaces, or in any if none is given. */
  present(namespaces: ReadonlySet<string>): MemoryEntry[] {
    return [...this.entries.values()].filter(
      ({ present, namespace }) =>
        present && (namespaces.size === 0 || namespace === "" || namespaces.has(namespace)),
    );
  }

  get(namespace: readonly string[], id: string): MemoryEntry | undefined {
    return this.entries.get(key(JSON.stringify(namespace), id));
  }

  private meet(id: string, namespace: string): void {
    if (this.entries.has(key(namespace, id))) return;
    this.heldBefore = true;
    const shown = this.entries.get(key("", id));
    if (shown) {
      this.entries.delete(key("", id));
      this.entries.set(key(namespace, id), { ...shown, namespace });
      return;
    }
    this.entries.set(key(namespace, id), { id, namespace, content: null, present: true, storedAt: null });
  }

  /**
   * Adds a memory that a prompt shows without a recorded operation (retrieval of stage 1), so its namespace is unknown.
   */
  private meetShown(id: string, content: string): void {
    this.heldBefore = true;
    this.entries.set(key("", id), { id, namespace: "", content, present: true, storedAt: null });
  }

  /** An ADD refused as a duplicate shows the content of the memory that it duplicates. */
  private learnDuplicate(op: MemoryOpRecord, namespace: string, args: string | null): void {
    const id = op.error?.code === "AGEMEM_MEMORY_DUPLICATE" && op.error.message.match(/^Memory (\S+) /)?.[1];
    const content = argumentOf(args, "content");
    if (!id || typeof content !== "string") return;
    this.meet(id, namespace);
    const entry = this.entries.get(key(namespace, id));
    if (entry) entry.content ??= content;
  }
}

/** Arguments of an operation: as recorded, else from the response that asked for it. */
export function argumentsOf(op: MemoryOpRecord, step: StepRecord): string | null {
  return (
    op.arguments ?? step.response?.tool_calls.find((call) => call.id === op.tool_call_id)?.arguments ?? null
  );
}

function key(namespace: string, id: string): string {
  return `${namespace} ${id}`;
}
