/**
 * Preservation part of R_context: does the context still hold what the query is about? (appendix A.2) Pure.
 *
 * Owns what counts as context. The query itself does not: its words are always there, so the score would be 1 whatever
 * the policy did.
 */
import { collapseSpace } from "../text/text.js";
import type { MessageRecord } from "../trajectory/schema-parts.js";
import { contentText, plain } from "../trajectory/trace/context-text.js";
import { keyItems } from "./key-items.js";
import { answerStep, type RewardPart, type ScoringInput } from "./scoring.js";

/**
 * 1 if every key item K_q of the query (names, places, times) occurs in the context at answer time, whether told,
 * retrieved or kept by a summary; else 0. A query without key items has nothing to lose: 1.
 *
 * Not counted as context: system messages, the question's wording wherever it occurs, what the policy wrote after the
 * question (it can repeat it), and the query named in a retrieved block.
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
  // The line break keeps an item from matching across two messages.
  return told.map((text) => text.replaceAll(asked, "\n")).join("\n");
}

/** Normalizes case, accents, quotes and spacing: "São  Paulo" is "sao paulo". */
export function bare(text: string): string {
  const letters = text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  return collapseSpace(letters.replace(/[’‘`]/g, "'").replace(/[“”]/g, '"'));
}
