/**
 * The final answer of a turn in ordinary talk, built from what was done and found.
 */
import { splitSentences, truncate } from "../../text/text.js";
import { bestAnswer } from "../answers/question-answering.js";
import { ENOUGH, isPersonal, recall, replyTo } from "../answers/recall.js";
import { toSecondPerson } from "../reading/person.js";
import type { Statement } from "../reading/statements.js";
import { made, OFFLINE_MARK, type Situation } from "./action.js";

const UNKNOWN = "I do not know that: nothing I have stored or see here answers it.";

/**
 * One short text. A question about the world gets the bare answer (it may be graded word by word); everything else
 * is marked as written by rules.
 */
export function composeReply(situation: Situation, statements: readonly Statement[]): string {
  const questions = statements
    .filter((statement) => statement.kind === "question")
    .map(({ content }) => content);
  const done = doneParts(situation, statements);
  const parts: string[] = [];
  for (const question of questions.slice(0, 3)) {
    if (!isPersonal(question)) {
      const answer = bestAnswer(question, situation.view);
      if (answer && questions.length === 1 && parts.length === 0) return answer;
      parts.push(answer || UNKNOWN);
      continue;
    }
    const reply = replyTo(question, recall(situation.view, question), ENOUGH) ?? UNKNOWN;
    const fresh = splitSentences(reply).filter((sentence) => !parts.some((part) => part.includes(sentence)));
    if (fresh.length > 0) parts.push(fresh.join(" "));
  }
  parts.push(...done);
  if (parts.length === 0) parts.push(idleReply(situation));
  return `${OFFLINE_MARK} ${parts.join(" ")}`;
}

function doneParts(situation: Situation, statements: readonly Statement[]): string[] {
  const parts: string[] = [];
  const added = made(situation, "ADD").filter((call) => call.ok);
  if (added.length > 0) {
    const told = added
      .slice(0, 3)
      .map((call) => toSecondPerson(truncate(String(call.args.content ?? ""), 160)));
    parts.push(`Noted: ${told.join(" ")}${added.length > 3 ? ` And ${added.length - 3} more.` : ""}`);
  }
  for (const call of made(situation, "UPDATE").filter((update) => update.ok)) {
    parts.push(`Updated: ${toSecondPerson(truncate(String(call.args.content ?? ""), 160))}`);
  }
  const deleted = made(situation, "DELETE").filter((call) => call.ok).length;
  if (deleted > 0)
    parts.push(deleted === 1 ? "I have deleted that memory." : `I have deleted ${deleted} memories.`);
  else if (statements.some((statement) => statement.kind === "forget")) {
    parts.push("I found nothing stored about that, so there was nothing to delete.");
  }
  const filters = made(situation, "FILTER").filter((call) => call.ok).length;
  if (filters > 0) parts.push("I put the noise of that text aside.");
  if (made(situation, "SUMMARY").some((call) => call.ok))
    parts.push("I condensed our earlier conversation to make room.");
  return parts;
}

function idleReply(situation: Situation): string {
  const text = situation.view.userText;
  if (!text) return "I received no message to answer.";
  if (/\b(?:thanks|thank you|great|perfect|cool)\b/i.test(text)) return "You are welcome.";
  if (/^\W*(?:hi|hello|hey|good (?:morning|evening|afternoon))\b/i.test(text)) {
    return "Hello. Tell me what to remember, or ask what I know.";
  }
  if (/\b(?:bye|good night|see you)\b/i.test(text)) return "Until next time. What you told me stays stored.";
  return "Understood. There was nothing in it that I should store.";
}
