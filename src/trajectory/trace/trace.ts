/**
 * Reads from a recording what happened to memories: events, usage, and why an answer lacked a fact.
 *
 * Owns the walk over conversations and turns. Conversations that did not fork the store share one long-term memory, and
 * their turns are taken in order of time; each forked rollout has its own long-term memory. Leaves out reading files.
 * Pure.
 */
import type { UsageByOperation } from "../../lib/usage.js";
import { createFactMatcher, type FactMatcher } from "../../text/fact-match.js";
import type { AnyRecord } from "../schema.js";
import type { MemoryOpRecord } from "../schema-parts.js";
import { usageOfSteps } from "../usage.js";
import { conversationsOf, type RecordedConversation, type RecordedTurn } from "./conversations.js";
import { answerEvent, operationEvent, type TraceEvent } from "./events.js";
import { FactTracker } from "./fact-tracker.js";
import { MemoryLedger } from "./memory-ledger.js";
import { type FactVerdict, judgeFact } from "./verdict.js";

/** Options of {@link traceRecords}. */
export interface TraceOptions {
  /** Facts to judge in every conversation. Default: the gold facts and the gold answer of its episode. */
  facts?: readonly string[];
  /** `step_index` of the answer to judge; default: the last policy call. A conversation without it is not judged. */
  step?: number;
  /** Decides whether a text states a fact; default: by its words (`text/fact-match.ts`). */
  matcher?: FactMatcher;
}

/** One rollout or thread. */
export interface ConversationTrace {
  rolloutId: string;
  threadId: string | null;
  taskId: string | null;
  attempt: number;
  /** Null when its end was not recorded. */
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
  const walks = conversationsOf(records).map((conversation) => {
    const forked = conversation.trajectory?.branch != null;
    return new ConversationWalk(conversation, forked ? new MemoryLedger() : shared, matcher, options);
  });
  const schedule = inOrderOfTime(walks);
  const first = schedule.find(({ walk }) => walk.ledger === shared);
  if (first && firstRevision(first.walk.conversation) > 0) shared.heldBefore = true;
  for (const { walk, index } of schedule) walk.turn(index);
  return walks.map((walk) => walk.result());
}

interface Scheduled {
  walk: ConversationWalk;
  index: number;
  time: number;
  revision: number;
}

/** Turns of all conversations in order of time, because what one of them stored another may find. */
function inOrderOfTime(walks: readonly ConversationWalk[]): Scheduled[] {
  const turns = walks.flatMap((walk) => {
    let [time, revision] = [0, 0];
    return walk.conversation.turns.map(({ step }, index) => {
      // Within a conversation the recorded order counts, whatever the clock did.
      time = Math.max(time, Date.parse(step.ts));
      revision = Math.max(revision, step.revision_before ?? 0);
      return { walk, index, time, revision };
    });
  });
  return turns.sort((a, b) => a.time - b.time || a.revision - b.revision);
}

function firstRevision({ steps }: RecordedConversation): number {
  return steps.find((step) => step.revision_before !== null)?.revision_before ?? 0;
}

interface Asked {
  tracker: FactTracker;
  source: FactVerdict["source"];
}

/** One conversation, turn by turn. */
class ConversationWalk {
  private readonly asked: Asked[];
  private readonly answer: RecordedTurn | undefined;
  private readonly namespaces: ReadonlySet<string>;
  private readonly events: TraceEvent[] = [];
  private readonly verdicts: FactVerdict[] = [];

  constructor(
    readonly conversation: RecordedConversation,
    readonly ledger: MemoryLedger,
    private readonly matcher: FactMatcher,
    { facts, step }: TraceOptions,
  ) {
    const { turns } = conversation;
    this.asked = factsOf(conversation, matcher, facts);
    this.answer = step === undefined ? turns.at(-1) : turns.find((turn) => turn.step.step_index === step);
    this.namespaces = namespacesOf(conversation);
  }

  turn(index: number): void {
    const { turns, auxBefore } = this.conversation;
    const turn = turns[index];
    if (!turn) return;
    apply(turn.guardOps, turn, this.ledger, this.events, []);
    this.ledger.learn(turn.step);
    const aux = index === 0 ? auxBefore : (turns[index - 1]?.aux ?? []);
    for (const { tracker } of this.asked) tracker.prompt(turn, aux);
    if (turn === this.answer) this.judge(turn);
    apply(turn.ops, turn, this.ledger, this.events, this.asked);
    const said = answerEvent(turn);
    if (said) this.events.push(said);
  }

  result(): ConversationTrace {
    const { steps, trajectory, rolloutId, threadId, attempt } = this.conversation;
    return {
      rolloutId,
      threadId,
      taskId: trajectory?.task_id ?? steps[0]?.task_id ?? null,
      attempt,
      status: trajectory?.status ?? null,
      reward: trajectory?.reward ?? null,
      events: this.events,
      verdicts: this.verdicts,
      usage: usageOfSteps(steps),
    };
  }

  private judge(turn: RecordedTurn): void {
    const { ledger, namespaces, conversation } = this;
    const scene = { turn, ledger, namespaces, rolloutId: conversation.rolloutId };
    for (const { tracker, source } of this.asked) {
      this.verdicts.push(judgeFact(tracker, scene, source, this.matcher.usable(tracker.fact)));
    }
  }
}

function apply(
  ops: readonly MemoryOpRecord[],
  turn: RecordedTurn,
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
  { trajectory }: RecordedConversation,
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

function namespacesOf({ turns }: RecordedConversation): Set<string> {
  const ops = turns.flatMap(({ ops, guardOps }) => [...ops, ...guardOps]);
  return new Set(ops.map((op) => JSON.stringify(op.namespace)));
}
