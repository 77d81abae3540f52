/** Were outdated facts corrected in long-term memory? Pure. */
import { contentStems } from "../../../text/words.js";
import type { StepRecord } from "../../../trajectory/schema.js";
import { MemoryLedger } from "../../../trajectory/trace/memory-ledger.js";
import type { RewardPart, ScoringInput } from "../../scoring.js";
import { type ToldMessage, toldMessages } from "./told.js";

type Stems = ReadonlySet<string>;

/** Share of a fact's words from which a text states it, and from which a later message is about it. */
const STATES = 0.5;
const CONCERNS = 0.4;

/**
 * Of the outdated facts that long-term memory ever held, the share that was corrected: by an UPDATE or DELETE after a
 * message about them, so that they are no longer held at the end. 0 when none was ever held.
 *
 * Does not apply where the task declares no outdated facts, so that a needless UPDATE or DELETE earns nothing.
 */
export function maintainedFacts({ steps, episode }: Pick<ScoringInput, "steps" | "episode">): RewardPart {
  const outdated = episode.outdated_facts.map(stemsOf).filter((fact) => fact.size > 0);
  if (outdated.length === 0)
    return { value: null, applies: false, basis: "nothing that was told became outdated" };
  const current = episode.gold_facts.map(stemsOf);
  const states = (text: string | null, fact: Stems): boolean =>
    text !== null && holds(stemsOf(text), fact, current);
  const ledger = replay(steps);
  const told = toldMessages(steps);
  const held = outdated.filter((fact) => ledger.changes.some(({ after }) => states(after, fact)));
  if (held.length === 0) return { value: 0, basis: "no outdated fact was ever stored" };
  const right = held.filter((fact) => {
    const left = ledger.present(new Set()).some(({ content }) => states(content, fact));
    return (
      !left &&
      ledger.changes.some((change, i) => {
        if (change.op === "ADD" || !states(change.before, fact) || states(change.after, fact)) return false;
        const written = ledger.changes.slice(0, i).findLast(({ id }) => id === change.id);
        return written !== undefined && toldBetween(told, written.at.step, change.at.step, fact);
      })
    );
  });
  return {
    value: right.length / held.length,
    basis: `${right.length} of ${held.length} outdated facts were updated or deleted in time`,
  };
}

/** As a fact rather than the one that took its place: its words, and more of them than of any current fact. */
function holds(text: Stems, fact: Stems, current: readonly Stems[]): boolean {
  const share = cover(fact, text);
  return share >= STATES && current.every((other) => cover(other, text) < share);
}

function toldBetween(told: readonly ToldMessage[], after: number, until: number, fact: Stems): boolean {
  return told.some(
    ({ stepIndex, text }) =>
      stepIndex > after && stepIndex <= until && cover(fact, stemsOf(text)) >= CONCERNS,
  );
}

function replay(steps: readonly StepRecord[]): MemoryLedger {
  const ledger = new MemoryLedger();
  for (const step of steps) for (const op of step.memory_ops) ledger.apply(op, step);
  return ledger;
}

function cover(fact: Stems, text: Stems): number {
  if (fact.size === 0) return 0;
  let common = 0;
  for (const stem of fact) if (text.has(stem)) common++;
  return common / fact.size;
}

function stemsOf(text: string): Stems {
  return new Set(contentStems(text));
}
