/**
 * Why an answer lacked a fact. The first that applies:
 *
 * 1. The answer states it, or the context of the answer held it: "answered", "in_context".
 * 2. Long-term memory held it but no longer does: "deleted", "overwritten".
 * 3. An edit removed it from the current context, and a RETRIEVE had brought it in or long-term memory does not hold
 *    it: "filtered", "summarized"; "unknown" when no recorded edit explains the loss.
 * 4. Long-term memory holds it: "not_retrieved".
 * 5. "never_stored", or "unknown" where the recording does not show what was stored.
 *
 * Pure.
 */
import { collapseSpace, truncate } from "../../text/text.js";
import type { MessageRecord } from "../schema-parts.js";
import { contentText, isRetrieved, plain } from "./context-text.js";
import type { RecordedTurn } from "./conversations.js";
import type { FactTracker } from "./fact-tracker.js";
import type { MemoryChange, MemoryEntry, MemoryLedger, Place } from "./memory-ledger.js";

export const VERDICTS = [
  "answered",
  "in_context",
  "filtered",
  "summarized",
  "not_retrieved",
  "deleted",
  "overwritten",
  "never_stored",
  "unknown",
] as const;
export type Verdict = (typeof VERDICTS)[number];

/** The verdict on one fact. */
export interface FactVerdict {
  fact: string;
  /** Given by the caller, or taken from the episode. */
  source: "given" | "gold_fact" | "gold_answer";
  verdict: Verdict;
  /** False when memories from before the recording could change the verdict. */
  certain: boolean;
  /** `step_index` of the answer. */
  step: number;
  /** One or two sentences. */
  reason: string;
}

/** The moment of an answer, with the memories as they are then. */
interface Scene {
  turn: RecordedTurn;
  ledger: MemoryLedger;
  /** Namespaces of the conversation, as in the ledger. */
  namespaces: ReadonlySet<string>;
  rolloutId: string;
}

type Finding = Pick<FactVerdict, "verdict" | "reason"> & { certain?: boolean };

/** Judges one fact at one answer. */
export function judgeFact(
  tracker: FactTracker,
  scene: Scene,
  source: FactVerdict["source"],
  usable: boolean,
): FactVerdict {
  const finding = usable
    ? (inSight(tracker, scene) ?? outOfSight(tracker, scene))
    : { verdict: "unknown" as const, reason: "It has no words by which a text could be recognized." };
  return { fact: tracker.fact, source, certain: true, step: scene.turn.step.step_index, ...finding };
}

function inSight(tracker: FactTracker, { turn }: Scene): Finding | null {
  if (tracker.says(answerOf(turn))) return { verdict: "answered", reason: "The answer says it." };
  const { held } = tracker;
  if (held?.step !== turn.step.step_index) return null;
  const shown = [...new Set(held.messages.map(describeMessage))].join(" and ");
  return {
    verdict: "in_context",
    reason: `The context of the answer held it (${shown}): the model could have used it.`,
  };
}

function describeMessage(message: MessageRecord): string {
  if (contentText(message.content).includes("<context_summary ")) return "a summary";
  if (isRetrieved(message)) return "a retrieved block";
  return message.role === "user"
    ? "a user message"
    : `${message.role === "assistant" ? "an" : "a"} ${message.role} message`;
}

function outOfSight(tracker: FactTracker, scene: Scene): Finding {
  const { ledger, namespaces } = scene;
  const holding = ledger.present(namespaces).filter((entry) => tracker.isEntry(entry));
  const gone = holding.length > 0 ? undefined : lastLossFromStore(tracker, ledger, namespaces);
  if (gone) return lostFromStore(tracker, gone, scene);
  if (tracker.loss && (tracker.retrieved || holding.length === 0)) return lostFromContext(tracker, holding);
  if (holding.length > 0) return notRetrieved(tracker, holding, scene);
  return neverStored(tracker, scene);
}

function lostFromContext(tracker: FactTracker, holding: readonly MemoryEntry[]): Finding {
  const { loss, retrieved } = tracker;
  const came = retrieved ? "It was retrieved" : "It was in the context";
  const left = holding.length > 0 ? " Long-term memory still holds it." : "";
  if (!loss?.op) {
    return {
      verdict: "unknown",
      reason: `${came} and is gone at step ${loss?.step}; no recorded operation explains that.${left}`,
    };
  }
  const verdict = loss.op.op === "FILTER" ? "filtered" : "summarized";
  return { verdict, reason: `${came}, and ${describeLoss(tracker)}.${left}` };
}

function describeLoss({ loss }: FactTracker): string {
  if (!loss?.op) return "it left the context";
  const edit = `${loss.op.op} ${loss.op.edit_id ?? ""}`.trim();
  return loss.op.op === "FILTER"
    ? `${edit} of step ${loss.step} removed it`
    : `the summary of ${edit} at step ${loss.step} left it out`;
}

function notRetrieved(tracker: FactTracker, holding: readonly MemoryEntry[], scene: Scene): Finding {
  const [entry] = holding as [MemoryEntry];
  const since = entry.storedAt ? `since ${placeOf(entry.storedAt, scene)}` : "from before the recording";
  const stored = `Long-term memory holds it as ${holding.map(({ id }) => id).join(", ")} ${since}`;
  const asked = tracker.retrievals.map(({ op, step }) => {
    const got = op.memory_ids.length > 0 ? op.memory_ids.join(", ") : "nothing";
    return `step ${step} returned ${got}`;
  });
  const why = asked.length > 0 ? `RETRIEVE of ${asked.join("; ")}` : "no RETRIEVE ran in this context";
  const before =
    tracker.foundEarlier === null
      ? ""
      : ` It was found at step ${tracker.foundEarlier}, in a context that has since been emptied.`;
  const dropped = tracker.loss ? ` In the context itself, ${describeLoss(tracker)}.` : "";
  return { verdict: "not_retrieved", reason: `${stored}; ${why}.${before}${dropped}` };
}

function lostFromStore(tracker: FactTracker, gone: MemoryChange, scene: Scene): Finding {
  const where = placeOf(gone.at, scene);
  const dropped = tracker.loss ? ` In the context itself, ${describeLoss(tracker)}.` : "";
  if (gone.op === "DELETE") {
    return { verdict: "deleted", reason: `${gone.id} said it until DELETE at ${where}.${dropped}` };
  }
  const now = gone.after === null ? "" : ` with "${shorten(gone.after)}"`;
  const reason = `${gone.id} said it until UPDATE at ${where} replaced it${now}.${dropped}`;
  return { verdict: "overwritten", reason };
}

function neverStored(tracker: FactTracker, { ledger, namespaces }: Scene): Finding {
  const unread = ledger.changes.filter(({ op, after }) => op !== "DELETE" && after === null);
  if (unread.length > 0) {
    const ids = [...new Set(unread.map(({ id }) => id))].join(", ");
    return { verdict: "unknown", reason: `The recording does not say what was stored as ${ids}.` };
  }
  const told =
    tracker.emptiedAt !== null
      ? `The context said it until it began anew at step ${tracker.emptiedAt}; no memory says it.`
      : tracker.firstSeen === null
        ? "Neither the context nor a memory ever said it in this recording."
        : `The context first said it at step ${tracker.firstSeen}; no memory says it.`;
  const unseen = ledger.present(namespaces).filter(({ content }) => content === null);
  const certain = !ledger.heldBefore && unseen.length === 0;
  const doubt = certain
    ? ""
    : " Long-term memory held memories from before the recording, and the recording does not show all of them.";
  return { verdict: "never_stored", certain, reason: told + doubt };
}

/** The last change after which a memory no longer states the fact. */
function lastLossFromStore(
  tracker: FactTracker,
  ledger: MemoryLedger,
  namespaces: ReadonlySet<string>,
): MemoryChange | undefined {
  return ledger.changes.findLast(
    ({ before, after, namespace }) =>
      (namespaces.size === 0 || namespaces.has(namespace)) &&
      before !== null &&
      tracker.says(before) &&
      !(after !== null && tracker.says(after)),
  );
}

/** What the model said to the user, without reasoning and tags. */
export function answerOf({ step }: RecordedTurn): string {
  const text = contentText(step.response?.content ?? null);
  const tagged = text.match(/<answer>([\s\S]*?)(?:<\/answer>|$)/)?.[1];
  if (tagged !== undefined) return tagged;
  const said = text.replace(/<think>[\s\S]*?(?:<\/think>|$)/g, "").replace(/<tool_call>[\s\S]*$/, "");
  return step.response?.tool_calls.length ? "" : plain(said);
}

function placeOf(place: Place, { rolloutId }: Scene): string {
  return place.rolloutId === rolloutId ? `step ${place.step}` : `step ${place.step} of ${place.rolloutId}`;
}

function shorten(text: string): string {
  return truncate(collapseSpace(text), 80);
}
