/**
 * Follows one fact through one conversation: when the context held it, what brought it in and what removed it.
 *
 * `trace.ts` feeds it the turns, `verdict.ts` reads it. Only the text of the prompts decides: an edit removed a fact if
 * the prompt before it states the fact and the prompt after it does not. Pure.
 */
import type { FactMatcher } from "../../text/fact-match.js";
import type { StepRecord } from "../schema.js";
import type { MemoryOpRecord, MessageRecord } from "../schema-parts.js";
import { isRetrieved, knowledgeOf } from "./context-text.js";
import { isEdit, type RecordedTurn } from "./conversations.js";
import type { MemoryEntry, MemoryLedger } from "./memory-ledger.js";

/** A fact that left the context. */
interface Loss {
  /** The edit that removed it; null when no recorded operation explains the loss. */
  op: MemoryOpRecord | null;
  /** Step whose response asked for the edit; for the guard's edits the call that followed. */
  step: number;
}

/** A RETRIEVE in the current context. */
export interface Retrieval {
  step: number;
  op: MemoryOpRecord;
  /** Ids of the results that state the fact. */
  found: string[];
}

interface Held {
  step: number;
  messages: MessageRecord[];
}

export class FactTracker {
  /** First step whose prompt states the fact, in any stage. */
  firstSeen: number | null = null;
  /** Latest prompt of the current context that states it. */
  held: Held | null = null;
  /** What removed it from the current context; null while the context holds it, or if it never did. */
  loss: Loss | null = null;
  /** RETRIEVEs in the current context. */
  retrievals: Retrieval[] = [];
  /** Step at which a context that held it was emptied. */
  emptiedAt: number | null = null;
  /** Whether a RETRIEVE brought it into the current context. */
  retrieved = false;
  /** Step of the first RETRIEVE that found it in an earlier context. */
  foundEarlier: number | null = null;
  private last: RecordedTurn | null = null;

  constructor(
    readonly fact: string,
    private readonly matcher: FactMatcher,
    /** A user message with this text does not count: the question. */
    private readonly ignore: string | null = null,
  ) {}

  /** Takes a policy call's prompt. `auxBefore` are the auxiliary calls since the last policy call. */
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
    // For a context from before the recording, the summarizer's transcript is the only evidence.
    if (wasHeld || found || (transcribed && !last)) this.loss = this.explain(turn, last, transcribed);
  }

  /** Takes an operation that followed the latest prompt. */
  operation(op: MemoryOpRecord, step: StepRecord, ledger: MemoryLedger): void {
    if (op.op !== "RETRIEVE" || !op.ok) return;
    const found = op.memory_ids.filter((id) => this.isEntry(ledger.get(op.namespace, id)));
    if (found.length > 0) this.retrieved = true;
    this.retrievals.push({ step: step.step_index, op, found });
  }

  /** Whether a memory states the fact. */
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

  /** Finds the edit between the last prompt and this one that removed the fact. */
  private explain(turn: RecordedTurn, last: RecordedTurn | null, transcribed: boolean): Loss {
    const edits = [
      ...(last?.ops ?? []).filter(isEdit).map((op) => ({ op, step: last?.step.step_index ?? 0 })),
      ...turn.guardOps.filter(isEdit).map((op) => ({ op, step: turn.step.step_index })),
    ];
    const ids = new Set((this.held?.messages ?? []).flatMap(({ id }) => (id ? [id] : [])));
    const touches = ({ op }: { op: MemoryOpRecord }): boolean => op.message_ids.some((id) => ids.has(id));
    // With edits of both kinds: if the summarizer was shown the fact, the summary dropped it, else a filter did before.
    const kinds = new Set(edits.map(({ op }) => op.op));
    const wanted = transcribed ? "SUMMARY" : "FILTER";
    const likely = kinds.size > 1 ? edits.filter(({ op }) => op.op === wanted) : edits;
    const cause = likely.findLast(touches) ?? likely.at(-1);
    return cause ?? { op: null, step: turn.step.step_index };
  }
}
