/**
 * What a recording tells about the memories: events, usage, and why an answer lacked a fact.
 *
 * Owns the walk over conversations and turns. Conversations without a branch of their own share one M, in the order of
 * the recording; each forked rollout has its own. Pure: reading files is the caller's.
 */
import { createFactMatcher, type FactMatcher } from "../../lib/fact-match.js";
import type { UsageByOperation } from "../../lib/usage.js";
import type { AnyRecord } from "../schema.js";
import type { MemoryOpRecord } from "../schema-parts.js";
import { usageOfSteps } from "../usage.js";
import { type Conversation, conversationsOf, type Turn } from "./conversations.js";
import { answerEvent, operationEvent, type TraceEvent } from "./events.js";
import { FactTracker } from "./fact-tracker.js";
import { MemoryLedger } from "./memory-ledger.js";
import { type FactVerdict, judgeFact } from "./verdict.js";

/** What to ask. */
export interface TraceOptions {
  /** Facts to judge in every conversation. Default: the gold facts and the gold answer of its episode. */
  facts?: readonly string[];
  /** The answer to judge, by `step_index`; default the last policy call. A conversation without it is not judged. */
  step?: number;
  /** Tells whether a text says a fact; default by its words (`lib/fact-match.ts`). */
  matcher?: FactMatcher;
}

/** One rollout or thread. */
export interface ConversationTrace {
  rolloutId: string;
  threadId: string | null;
  taskId: string | null;
  attempt: number;
  /** Null when it has no ending on record. */
  status: string | null;
  reward: number | null;
  events: TraceEvent[];
  verdicts: FactVerdict[];
  usage: UsageByOperation;
}

/**
 * Traces every conversation of a recording.
 *
 * @example
 * const [conversation] = traceRecords(records, { facts: ["Nora lives in Porto."] });
 * conversation?.verdicts[0]?.verdict; // "not_retrieved"
 */
export function traceRecords(records: Iterable<AnyRecord>, options: TraceOptions = {}): ConversationTrace[] {
  const matcher = options.matcher ?? createFactMatcher();
  const shared = new MemoryLedger();
  return conversationsOf(records).map((conversation, i) => {
    const forked = conversation.trajectory?.branch != null;
    if (i === 0 && !forked && firstRevision(conversation) > 0) shared.heldBefore = true;
    return traceConversation(conversation, forked ? new MemoryLedger() : shared, matcher, options);
  });
}

function firstRevision({ steps }: Conversation): number {
  return steps.find((step) => step.revision_before !== null)?.revision_before ?? 0;
}

interface Asked {
  tracker: FactTracker;
  source: FactVerdict["source"];
}

function traceConversation(
  conversation: Conversation,
  ledger: MemoryLedger,
  matcher: FactMatcher,
  options: TraceOptions,
): ConversationTrace {
  const { turns, steps, trajectory } = conversation;
  const asked = factsOf(conversation, matcher, options.facts);
  const answer =
    options.step === undefined ? turns.at(-1) : turns.find(({ step }) => step.step_index === options.step);
  const namespaces = namespacesOf(conversation);
  const events: TraceEvent[] = [];
  const verdicts: FactVerdict[] = [];
  turns.forEach((turn, i) => {
    apply(turn.guardOps, turn, ledger, events, []);
    ledger.learn(turn.step);
    const aux = turns[i - 1]?.aux ?? conversation.auxBefore;
    for (const { tracker } of asked) tracker.prompt(turn, aux);
    if (turn === answer) {
      const scene = { turn, ledger, namespaces, rolloutId: conversation.rolloutId };
      for (const { tracker, source } of asked) {
        verdicts.push(judgeFact(tracker, scene, source, matcher.usable(tracker.fact)));
      }
    }
    apply(turn.ops, turn, ledger, events, asked);
    const said = answerEvent(turn);
    if (said) events.push(said);
  });
  return {
    rolloutId: conversation.rolloutId,
    threadId: conversation.threadId,
    taskId: trajectory?.task_id ?? steps[0]?.task_id ?? null,
    attempt: conversation.attempt,
    status: trajectory?.status ?? null,
    reward: trajectory?.reward ?? null,
    events,
    verdicts,
    usage: usageOfSteps(steps),
  };
}

function apply(
  ops: readonly MemoryOpRecord[],
  turn: Turn,
  ledger: MemoryLedger,
  events: TraceEvent[],
  asked: readonly Asked[],
): void {
  for (const op of ops) {
    const [id] = op.memory_ids;
    const before = id === undefined ? null : (ledger.get(op.namespace, id)?.content ?? null);
    ledger.apply(op, turn.step);
    for (const { tracker } of asked) tracker.operation(op, turn.step, ledger);
    events.push(operationEvent(op, turn.step, ledger, { guard: turn.guardOps.includes(op), before }));
  }
}

function factsOf(
  { trajectory }: Conversation,
  matcher: FactMatcher,
  given: readonly string[] | undefined,
): Asked[] {
  const episode = trajectory?.episode;
  const ask = (fact: string, source: FactVerdict["source"]): Asked => ({
    tracker: new FactTracker(fact, matcher, episode?.question.trim() ?? null),
    source,
  });
  if (given) return given.map((fact) => ask(fact, "given"));
  if (!episode) return [];
  return [
    ...episode.gold_facts.map((fact) => ask(fact, "gold_fact")),
    ask(episode.gold_answer, "gold_answer"),
  ];
}

function namespacesOf({ turns }: Conversation): Set<string> {
  const ops = turns.flatMap(({ ops, guardOps }) => [...ops, ...guardOps]);
  return new Set(ops.map((op) => JSON.stringify(op.namespace)));
}
