/**
 * Short answers to questions about the world, extracted from texts. Placeholder ranking by sentence overlap.
 */
import { splitSentences } from "../../lib/text.js";
import { overlap, terms } from "./terms.js";
import type { ConversationView } from "./view.js";

/** The best answer to a question from the memories and texts of a view; empty when there is none. */
export function bestAnswer(question: string, view: ConversationView): string {
  const wanted = terms(question);
  const texts = [...view.memories.values()].map((memory) => memory.content).concat(view.summaries);
  let best = "";
  let score = 0;
  for (const sentence of texts.flatMap(splitSentences)) {
    const fit = overlap(wanted, terms(sentence));
    if (fit > score) {
      best = sentence;
      score = fit;
    }
  }
  return best;
}
