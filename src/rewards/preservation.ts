/**
 * Preservation part of R_context: does the context still hold what the query is about? (appendix A.2) Pure.
 *
 * Owns what counts as context. The query itself does not: its own words are always there, and would make the part 1
 * whatever the policy did.
 */
import { collapseSpace } from "../text/text.js";
import type { MessageRecord } from "../trajectory/schema-parts.js";
import { contentText, plain } from "../trajectory/trace/context-text.js";
import { keyItems } from "./key-items.js";
import { answerStep, type RewardPart, type ScoringInput } from "./scoring.js";

/**
 * 1 if every key item K_q of the query (names, places, times) occurs in the context at answer time, in what was told,
 * retrieved, or kept by a summary; else 0. A query without key items has nothing to lose: 1.
 *
 * Left out of the context: system messages, the wording of the question wherever it stands, what the policy wrote
 * after the question came (it can repeat it), and the query that a retrieved block names.
 *
 * @example
 * preservationReward({ steps, episode }); // { value: 0, basis: "missing from the context: Turin" }
 */
export function preservationReward({ steps, episode }: Pick<ScoringInput, "steps" | "episode">): RewardPart {
  const items = keyItems(episode.question);
  if (items.length === 0) return { value: 1, basis: "the query names no key items" };
  const step = answerStep(steps);
  if (!step) return { value: 0, basis: "there was no policy call" };
  const context = contextWithout(episode.question, step.messages);
  const lost = items.filter((item) => !context.includes(bare(item)));
  if (lost.length === 0) return { value: 1, basis: `all ${items.length} key items are in the context` };
  return { value: 0, basis: `missing from the context: ${lost.join(", ")}` };
}

function contextWithout(question: string, messages: readonly MessageRecord[]): string {
  const asked = bare(question);
  const texts = messages.map((message) => bare(plain(contentText(message.content))));
  const at = messages.findLastIndex(({ role }, i) => role === "user" && texts[i]?.includes(asked));
  const told = texts.filter((_, i) => {
    const role = messages[i]?.role;
    if (role === "system" || role === "developer") return false;
    return role !== "assistant" || at < 0 || i < at;
  });
  // A line break stays between two messages, so that no item is found across them.
  return told.map((text) => text.replaceAll(asked, "\n")).join("\n");
}

/** Case, accents, kinds of quotes and spacing do not make another name. */
function bare(text: string): string {
  const letters = text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  return collapseSpace(letters.replace(/[’‘`]/g, "'").replace(/[“”]/g, '"'));
}
