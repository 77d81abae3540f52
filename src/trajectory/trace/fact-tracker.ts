/**
 * One fact through one conversation: when the context held it, what brought it, what took it out.
 *
 * Told by the walk over the turns (`trace.ts`), asked by `verdict.ts`. The context's own words decide: an edit took a
 * fact out when the prompt before it said the fact and the one after it does not. Pure.
 */
import type { FactMatcher } from "../../text/fact-match.js";
import type { StepRecord } from "../schema.js";
import type { MemoryOpRecord, MessageRecord } from "../schema-parts.js";
import { isRetrieved, knowledgeOf } from "./context-text.js";
import { isEdit, type RecordedTurn } from "./conversations.js";
import type { MemoryEntry, MemoryLedger } from "./memory-ledger.js";

/** A fact that left the context. */
interface Loss {
  /** The edit that took it out; null when no recorded operation explains it. */
  op: MemoryOpRecord | null;
  /** Step whose response asked for the edit; for the guard the call it came before. */
  step: number;
}

/** A RETRIEVE of the running context. */
export interface Retrieval {
  step: number;
  op: MemoryOpRecord;
  /** Ids among the results that say the fact. */
  found: string[];
}

interface Held {
  step: number;
  messages: MessageRecord[];
}

export class FactTracker {
  /** First step whose prompt said the fact, in any stage. */
  firstSeen: number | null = null;
  /** Newest prompt that said it since the context began anew. */
  held: Held | null = null;
  /** What took it out of the running context; null while it is there, or never was. */
  loss: Loss | null = null;
  /** RETRIEVEs since the context began anew. */
  retrievals: Retrieval[] = [];
  /** Step at which a context that said it was emptied. */
  emptiedAt: number | null = null;
  /** A RETRIEVE brought it into the running context. */
  retrieved = false;
  /** Step of the first RETRIEVE that found it in a context emptied since. */
  foundEarlier: number | null = null;
  private last: RecordedTurn | null = null;

  constructor(
    readonly fact: string,
    private readonly matcher: FactMatcher,
    /** Text that proves nothing: the question. */
    private readonly ignore: string | null = null,
  ) {}

  /** A policy call's prompt. `auxBefore` are the auxiliary calls since the last one. */
  prompt(turn: RecordedTurn, auxBefore: readonly StepRecord[]): void {
    const { step } = turn;
    const last = this.last;
    this.last = turn;
    if (turn.fresh && last) this.begin(step.step_index);
    const messages = step.messages.filter((message) => this.isSaidBy(message));
    if (messages.length > 0) {
      this.firstSeen ??= step.step_index;
      this.held = { step: step.step_index, messages };
      this.loss = null;
      if (messages.some(isRetrieved)) this.retrieved = true;
      return;
    }
    const transcribed = auxBefore.some((aux) => aux.messages.some((message) => this.isSaidBy(message)));
    if (transcribed && !last) this.firstSeen ??= step.step_index;
    if (turn.fresh && last) return;
    const found = this.retrievals.some(
      (each) => each.step === last?.step.step_index && each.found.length > 0,
    );
    const wasHeld = this.held !== null && this.held.step === last?.step.step_index;
    // Of a context from before the recording only the summarizer's transcript tells.
    if (wasHeld || found || (transcribed && !last)) this.loss = this.explain(turn, last, transcribed);
  }

  /** An operation after the newest prompt. */
  operation(op: MemoryOpRecord, step: StepRecord, ledger: MemoryLedger): void {
    if (op.op !== "RETRIEVE" || !op.ok) return;
    const found = op.memory_ids.filter((id) => this.isEntry(ledger.get(op.namespace, id)));
    if (found.length > 0) this.retrieved = true;
    this.retrievals.push({ step: step.step_index, op, found });
  }

  /** Whether a memory says the fact. */
  isEntry(entry: MemoryEntry | undefined): boolean {
    return entry?.content != null && this.says(entry.content);
  }

  says(text: string): boolean {
    return this.matcher.says(text, this.fact);
  }

  private begin(step: number): void {
    if (this.held && !this.loss) this.emptiedAt = step;
    this.foundEarlier ??= this.retrievals.find(({ found }) => found.length > 0)?.step ?? null;
    this.held = null;
    this.loss = null;
    this.retrieved = false;
    this.retrievals = [];
  }

  private isSaidBy(message: MessageRecord): boolean {
    const text = knowledgeOf(message);
    if (this.ignore !== null && message.role === "user" && text.trim() === this.ignore) return false;
    return this.says(text);
  }

  /** Which edit between the last prompt and this one took the fact out. */
  private explain(turn: RecordedTurn, last: RecordedTurn | null, transcribed: boolean): Loss {
    const edits = [
      ...(last?.ops ?? []).filter(isEdit).map((op) => ({ op, step: last?.step.step_index ?? 0 })),
      ...turn.guardOps.filter(isEdit).map((op) => ({ op, step: turn.step.step_index })),
    ];
    const ids = new Set((this.held?.messages ?? []).flatMap(({ id }) => (id ? [id] : [])));
    const touches = ({ op }: { op: MemoryOpRecord }): boolean => op.message_ids.some((id) => ids.has(id));
    // A summarizer that was shown the fact, and edits of both kinds: the summary dropped it, else a filter had before.
    const kinds = new Set(edits.map(({ op }) => op.op));
    const wanted = transcribed ? "SUMMARY" : "FILTER";
    const likely = kinds.size > 1 ? edits.filter(({ op }) => op.op === wanted) : edits;
    const cause = likely.findLast(touches) ?? likely.at(-1);
    return cause ?? { op: null, step: turn.step.step_index };
  }
}
