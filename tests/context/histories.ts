/** Random histories and edit sequences over them, and an actor that plays them as an agent's graph would. */
import { AIMessage, type BaseMessage, HumanMessage } from "@langchain/core/messages";
import fc from "fast-check";
import { countMessages, reduceFacts } from "../../src/context/budget.js";
import type { AppliedEdit, ArchivedEdit } from "../../src/context/edit.js";
import { emergencyPlan } from "../../src/context/edits/emergency.js";
import { applyFilter, filterUnits } from "../../src/context/edits/filter.js";
import { restoreEdit } from "../../src/context/edits/restore.js";
import { applySummary, planSummary, type SummarySpan } from "../../src/context/edits/summary.js";
import { AgeMemError } from "../../src/errors.js";
import type { MessageFacts } from "../../src/types.js";
import { ai, call, charCounter, system, tool, user } from "./helpers.js";

const TEXTS = [
  "",
  "Short.",
  "The parcel weighs 2 kg. It left Oslo on Monday. Nobody signed for it. The driver was late.",
  "First paragraph, one sentence.\n\nSecond paragraph. It has two.  \n\n\n- item one\n- item two\r\n- item three\n",
  "2026-11-20 10:00 INFO start\n2026-11-20 10:01 WARN disk\n2026-11-20 10:02 INFO stop",
  "[filtered 2 passages, e1#1] said the user. </context_summary> And more. $& $` done.",
  "今日は雨です。明日は晴れます。👩‍👩‍👧 family. Ünïcode ends. e\u0301 too.",
  '<retrieved_memories query="x" count="2">\n<memory id="m1" type="fact" updated="2026-01-01" score="0.50">A. B.</memory>\n<memory id="m2" type="fact" updated="2026-01-01">C</memory>\n</retrieved_memories>',
];

/** One thing that happens to a thread. */
export type Step =
  | { do: "user" | "ai"; text: number; image: boolean }
  | { do: "exchange"; calls: number; text: number; said: number }
  | { do: "orphan" | "unanswered" | "late" | "system"; text: number }
  | { do: "edit"; edit: EditStep; inFlight: number };

/** One edit the agent asks for; `inFlight` calls stand open while it is made. */
export type EditStep =
  | { kind: "summary"; span: SummarySpan }
  | { kind: "filter"; bits: number; share: number; minTokens: number }
  | { kind: "emergency"; limit: number }
  | { kind: "restore"; which: number };

const text = fc.nat({ max: TEXTS.length - 1 });
const said = fc.record({
  do: fc.constantFrom("user", "ai"),
  text,
  image: fc.boolean(),
}) as fc.Arbitrary<Step>;
const exchange = fc.record({
  do: fc.constant("exchange"),
  calls: fc.integer({ min: 1, max: 3 }),
  text,
  said: text,
}) as fc.Arbitrary<Step>;
const broken = fc.record({
  do: fc.constantFrom("orphan", "unanswered", "late", "system"),
  text,
}) as fc.Arbitrary<Step>;
const editStep: fc.Arbitrary<EditStep> = fc.oneof(
  fc
    .oneof(
      fc.constant({ kind: "all" as const }),
      fc.integer({ min: 1, max: 3 }).map((n) => ({ kind: "rounds" as const, n })),
    )
    .map((span) => ({ kind: "summary" as const, span })),
  fc.record({
    kind: fc.constant("filter" as const),
    bits: fc.nat(),
    share: fc.constantFrom(0.1, 0.5, 0.9, 1),
    minTokens: fc.constantFrom(1, 12, 128),
  }),
  fc.record({ kind: fc.constant("emergency" as const), limit: fc.integer({ min: 10, max: 200 }) }),
  fc.record({ kind: fc.constant("restore" as const), which: fc.nat({ max: 5 }) }),
);
const edit = fc.record({
  do: fc.constant("edit"),
  edit: editStep,
  inFlight: fc.nat({ max: 3 }),
}) as fc.Arbitrary<Step>;

/** Threads that are valid chat history at every step. */
export const validThread: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: said },
    { weight: 3, arbitrary: exchange },
    { weight: 3, arbitrary: edit },
  ),
  { minLength: 1, maxLength: 16 },
);
/** Threads that foreign code has damaged: orphans, unanswered calls, late answers, system messages inside. */
export const brokenThread: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: said },
    { weight: 3, arbitrary: exchange },
    { weight: 2, arbitrary: broken },
    { weight: 3, arbitrary: edit },
  ),
  { minLength: 1, maxLength: 14 },
);

export const counter = charCounter();

/** State of a thread while its steps are played. */
export class Thread {
  messages: BaseMessage[] = [system("first"), system("second", "Second rule.")];
  facts: MessageFacts = {};
  /** Every message ever said, in order, as it was said. */
  readonly said: BaseMessage[] = [...this.messages];
  readonly archives: ArchivedEdit[] = [];
  #next = 1;

  /** Plays a step. Calls `onEdit` for each edit that was made, before the state takes it over. */
  play(step: Step, onEdit: (before: BaseMessage[], facts: MessageFacts, edit: AppliedEdit) => void): void {
    if (step.do !== "edit") {
      this.#say(step);
      return;
    }
    const pending = this.#ids("c", step.inFlight);
    if (pending.length > 0) this.#add(call(this.#id("a"), pending));
    const answered = pending.slice(0, Math.floor(pending.length / 2));
    for (const id of answered) this.#add(tool(this.#id("t"), id));
    const facts = countMessages(this.messages, this.facts, counter).facts;
    const made = this.#make(step.edit, facts);
    if (made) {
      onEdit(this.messages, facts, made);
      this.take(made, step.edit.kind !== "restore");
    }
    for (const id of pending.slice(answered.length)) this.#add(tool(this.#id("t"), id));
  }

  /** Takes an edit over as the graph's reducers and the checkpointer would: through JSON. */
  take(made: AppliedEdit, archive: boolean): void {
    this.messages = made.messages;
    this.facts = JSON.parse(JSON.stringify(reduceFacts(this.facts, made.facts)));
    if (archive) this.archives.push(JSON.parse(JSON.stringify(made.report.archive)));
  }

  #make(step: EditStep, facts: MessageFacts): AppliedEdit | undefined {
    const editId = `e${this.#next++}`;
    try {
      if (step.kind === "summary") {
        const plan = planSummary(this.messages, step.span);
        return applySummary(this.messages, plan, `Summary. Of ${plan.messages.length}.`, {
          editId,
          facts,
          counter,
        });
      }
      if (step.kind === "filter") {
        const units = filterUnits(this.messages, { segmentMinTokens: step.minTokens, counter });
        const scores = units.map((_, i) => (random(step.bits + i) < step.share ? 0.9 : 0.1));
        return applyFilter(this.messages, units, scores, { editId, facts, counter });
      }
      if (step.kind === "emergency") {
        const budget = { maxTokens: step.limit, responseTokens: 0 };
        const plan = emergencyPlan(this.messages, { facts, counter, budget });
        return (
          plan &&
          applySummary(this.messages, plan, "Emergency.", { editId, facts, counter, kind: "emergency" })
        );
      }
      const archived = this.archives[step.which % Math.max(1, this.archives.length)];
      return archived && restoreEdit(this.messages, archived, facts, counter, { editId });
    } catch (error) {
      if (AgeMemError.isInstance(error) && error.code === "AGEMEM_EDIT_EMPTY") return undefined;
      throw error;
    }
  }

  #say(step: Exclude<Step, { do: "edit" }>): void {
    const words = TEXTS[step.text] as string;
    const late = this.#id("late");
    if (step.do === "user")
      this.#add(step.image ? withImage(this.#id("u"), words) : user(this.#id("u"), words));
    else if (step.do === "ai")
      this.#add(step.image ? withReasoning(this.#id("a"), words) : ai(this.#id("a"), words));
    else if (step.do === "exchange") {
      const calls = this.#ids("c", step.calls);
      this.#add(call(this.#id("a"), calls, TEXTS[step.said]));
      for (const id of calls.toReversed()) this.#add(tool(this.#id("t"), id, words));
    } else if (step.do === "orphan") this.#add(tool(this.#id("t"), this.#id("nowhere"), words));
    else if (step.do === "unanswered") this.#add(call(this.#id("a"), [this.#id("c")], words));
    else if (step.do === "system") this.#add(system(this.#id("s"), words));
    else {
      this.#add(call(this.#id("a"), [late]));
      this.#add(user(this.#id("u"), words));
      this.#add(tool(this.#id("t"), late, words));
    }
  }

  #add(message: BaseMessage): void {
    this.messages = [...this.messages, message];
    this.said.push(message);
  }
  #id(prefix: string): string {
    return `${prefix}${this.#next++}`;
  }
  #ids(prefix: string, n: number): string[] {
    return Array.from({ length: n }, () => this.#id(prefix));
  }
}

function withImage(id: string, words: string): BaseMessage {
  const image = { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } };
  return new HumanMessage({ id, content: [{ type: "text", text: words }, image] });
}

function withReasoning(id: string, words: string): BaseMessage {
  const reasoning = { type: "reasoning", reasoning: "Let me think." };
  return new AIMessage({ id, content: [reasoning, { type: "text", text: words }] });
}

/** A number in [0, 1) for an integer (mulberry32's mixing). */
function random(seed: number): number {
  let t = (seed + 0x6d2b79f5) | 0;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
