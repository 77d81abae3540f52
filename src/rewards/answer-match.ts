/** Agreement of two short answers, measured as in HotpotQA's official evaluation. Pure. */
import { collapseSpace } from "../text/text.js";

const CLOSED = new Set(["yes", "no", "noanswer"]);

/** Lower case, single spaces, without punctuation and the articles a, an, the. */
export function normalizeAnswer(text: string): string {
  const bare = text.toLowerCase().replace(/[!-/:-@[-`{-~]/g, "");
  return collapseSpace(bare.replace(/\b(a|an|the)\b/g, " "));
}

/**
 * F1 over the words of both answers, in [0, 1]. "yes", "no" and "noanswer" score 0 against anything but themselves.
 *
 * @example
 * answerF1("the Eiffel Tower in Paris", "Eiffel Tower"); // 2/3: precision 2/4, recall 2/2
 */
export function answerF1(predicted: string, gold: string): number {
  const [a, b] = [normalizeAnswer(predicted), normalizeAnswer(gold)];
  if ((CLOSED.has(a) || CLOSED.has(b)) && a !== b) return 0;
  const left = a.split(" ").filter(Boolean);
  const right = b.split(" ").filter(Boolean);
  const counts = new Map<string, number>();
  for (const word of right) counts.set(word, (counts.get(word) ?? 0) + 1);
  let common = 0;
  for (const word of left) {
    const n = counts.get(word) ?? 0;
    if (n === 0) continue;
    counts.set(word, n - 1);
    common++;
  }
  return common === 0 ? 0 : (2 * common) / (left.length + right.length);
}
