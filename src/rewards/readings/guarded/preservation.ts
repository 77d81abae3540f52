/** Does the context hold what the query is about, from what was told and not from what the policy wrote? Pure. */
import type { StepRecord } from "../../../trajectory/schema.js";
import type { MessageRecord } from "../../../trajectory/schema-parts.js";
import { contentText, memoriesIn, plain } from "../../../trajectory/trace/context-text.js";
import { MemoryLedger } from "../../../trajectory/trace/memory-ledger.js";
import { keyItems } from "../../key-items.js";
import { bare } from "../../preservation.js";
import { policySteps, type RewardPart, type ScoringInput } from "../../scoring.js";
import { toldMessages, toldPart, withoutLookUp } from "./told.js";

/**
 * 1 if every key item K_q that some message of stages 1 and 2 named is in the context at answer time, else 0.
 *
 * What counts: those messages if they are still there, memories as they were before the question, and summaries: those
 * written before the question completely, later ones only for what the context held until then. Answers to refused
 * calls, the question, and everything that the policy wrote after it do not count. Does not apply where the messages
 * named no key item.
 */
export function groundedPreservation({
  steps,
  episode,
}: Pick<ScoringInput, "steps" | "episode">): RewardPart {
  const told = toldMessages(steps).filter(({ stage }) => stage < 3);
  const named = told.map(({ text }) => bare(text)).join("\n");
  const items = keyItems(episode.question).filter((item) => named.includes(bare(item)));
  if (items.length === 0) {
    return { value: null, applies: false, basis: "the query names nothing that was told" };
  }
  const held = heldAtTheEnd(steps, items);
  if (!held) return { value: 0, basis: "the question was never answered" };
  const lost = items.filter((item) => !held.has(item));
  if (lost.length === 0)
    return { value: 1, basis: `all ${items.length} key items that were told are in the context` };
  return { value: 0, basis: `missing from the context: ${lost.join(", ")}` };
}

/** Follows the items from the first call that saw the question to the last that got a response. */
function heldAtTheEnd(steps: readonly StepRecord[], items: readonly string[]): Set<string> | undefined {
  const asked = policySteps(steps).filter((step) => step.stage === 3 && step.response !== null);
  const first = asked[0];
  if (!first) return undefined;
  const early = new Set(first.messages.filter(isSummary).map(textOf));
  const memories = memoriesBefore(steps, first.step_index);
  let held = new Set<string>(items);
  for (const step of asked) {
    const sources = sourcesOf(step, memories, early);
    const late = step.messages
      .filter(isSummary)
      .map(textOf)
      .filter((text) => !early.has(text))
      .map(bare);
    held = new Set(
      items.filter((item) => {
        const name = bare(item);
        return sources.includes(name) || (held.has(item) && late.some((text) => text.includes(name)));
      }),
    );
  }
  return held;
}

/** Contents of long-term memory, by id, before a call. */
function memoriesBefore(steps: readonly StepRecord[], index: number): Map<string, string> {
  const ledger = new MemoryLedger();
  for (const step of steps) {
    if (step.step_index >= index) break;
    for (const op of step.memory_ops) ledger.apply(op, step);
  }
  return new Map(
    ledger.present(new Set()).flatMap(({ id, content }) => (content === null ? [] : [[id, content]])),
  );
}

function sourcesOf(
  step: StepRecord,
  memories: ReadonlyMap<string, string>,
  early: ReadonlySet<string>,
): string {
  const told = toldPart(step.messages);
  // The newest message of stage 3 is the question.
  const passages = told.slice(0, -1).map(withoutLookUp);
  const results = step.messages.filter((message) => message.role !== "assistant" && !told.includes(message));
  const shown = results
    .flatMap((message) => memoriesIn(contentText(message.content)))
    .filter(({ id, content }) => bare(memories.get(id) ?? "") === bare(content))
    .map(({ content }) => content);
  // A line break separates two texts, so that no item is found across them.
  const summaries = step.messages
    .filter(isSummary)
    .map(textOf)
    .filter((text) => early.has(text));
  return [...passages, ...shown, ...summaries].map(bare).join("\n");
}

function isSummary({ role, content }: MessageRecord): boolean {
  return role === "user" && contentText(content).startsWith("<context_summary ");
}

function textOf({ content }: MessageRecord): string {
  return plain(contentText(content));
}
