/** Preservation part of R_context: does the context still hold what the query is about? (appendix A.2) Pure. */
import { collapseSpace } from "../lib/text.js";
import type { MessageRecord } from "../trajectory/schema-parts.js";
import { keyItems } from "./key-items.js";
import { answerStep, type RewardPart, type ScoringInput } from "./scoring.js";

/**
 * 1 if every key item K_q of the query (names, places, times) occurs in the context at answer time, directly or in a
 * kept summary, else 0. System messages do not count. A query without key items has nothing to lose: 1.
 */
export function preservationReward({ steps, episode }: Pick<ScoringInput, "steps" | "episode">): RewardPart {
  const items = keyItems(episode.question);
  if (items.length === 0) return { value: 1, basis: "the query names no key items" };
  const step = answerStep(steps);
  if (!step) return { value: 0, basis: "there was no policy call" };
  const context = plain(
    step.messages
      .filter((m) => m.role !== "system" && m.role !== "developer")
      .map(textOf)
      .join("\n"),
  );
  const lost = items.filter((item) => !context.includes(plain(item)));
  if (lost.length === 0) return { value: 1, basis: `all ${items.length} key items are in the context` };
  return { value: 0, basis: `missing from the context: ${lost.join(", ")}` };
}

/** Text of a message; other content (images) has none. */
export function textOf(message: Pick<MessageRecord, "content">): string {
  if (typeof message.content === "string") return message.content;
  return (message.content ?? [])
    .map((block) => (typeof block.text === "string" ? block.text : ""))
    .join("\n");
}

/** Case, accents, kinds of quotes and spacing do not make another name. */
function plain(text: string): string {
  const bare = text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  return collapseSpace(bare.replace(/[’‘`]/g, "'").replace(/[“”]/g, '"'));
}
