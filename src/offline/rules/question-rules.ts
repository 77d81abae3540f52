/**
 * Rules for a question about the world: a second look-up by what the first one found, then a short answer.
 *
 * Each name is looked up once. The first look-up is made by `chat-rule.ts`.
 */
import { words } from "../../text/words.js";
import { spansOf } from "../answers/answer-spans.js";
import { bareTitle, gatherEvidence } from "../answers/evidence.js";
import { rankAnswers } from "../answers/question-answering.js";
import { readQuestion } from "../answers/question-kind.js";
import { isPersonal } from "../answers/recall.js";
import { resolveQuestion } from "../answers/resolve.js";
import { act, type CandidateAction, call, made, OFFLINE_MARK, type Situation, say } from "./action.js";
import { statementsNow } from "./chat-rule.js";
import { leftoverCandidates } from "./context-rules.js";

/** Look-ups after the first one. */
const MOST_HOPS = 4;

/** The question about the world, if the newest message is one and nothing else; else null. */
export function worldQuestion(situation: Situation): string | null {
  const statements = statementsNow(situation);
  const questions = statements.filter((statement) => statement.kind === "question");
  const [first] = questions;
  return first && statements.length === 1 && !isPersonal(first.content) ? first.content : null;
}

/** After the first look-up: retrieves by a name it found (the other end of a bridge), or tidies up. */
export function hopRule(situation: Situation): CandidateAction[] {
  const question = worldQuestion(situation);
  const lookUps = made(situation, "RETRIEVE");
  if (!question || lookUps.length === 0 || made(situation, "SUMMARY").length > 0) return [];
  const chained = nextInChain(situation, question);
  if (chained.length > 0) return [...chained, ...answers(situation, question, 1)];
  if (lookUps.length !== 1) return [];
  const entities = bridgeEntities(situation, question);
  const hops = entities.map((entity, index) =>
    act(4 / (index + 1), `The first result leads to "${entity}". I look that up too.`, [
      call("RETRIEVE", { query: entity, top_k: 3 }),
    ]),
  );
  if (hops.length === 0) return [];
  return [...hops.slice(0, 2), ...leftoverCandidates(situation), ...answers(situation, question, 1)];
}

/** The short answer, with other answers that the texts allow as alternatives. */
export function answerRule(situation: Situation): CandidateAction[] {
  const question = worldQuestion(situation);
  if (!question) return [];
  return [...answers(situation, question, 5), ...leftoverCandidates(situation)];
}

/** "Ada's cousin" was found to be Bo: looks up what is asked of Bo, unless that was done. */
function nextInChain(situation: Situation, question: string): CandidateAction[] {
  const lookUps = made(situation, "RETRIEVE");
  const resolved = resolveQuestion(question, situation.view);
  const done = lookUps.some(({ args }) => String(args.query).includes(resolved.name));
  if (resolved.name === "" || done || lookUps.length > MOST_HOPS) return [];
  return [
    act(4, `That is ${resolved.name}. I look up what is asked of that name.`, [
      call("RETRIEVE", { query: resolved.question, top_k: 3 }),
    ]),
  ];
}

function answers(situation: Situation, asked: string, weight: number): CandidateAction[] {
  const { question } = resolveQuestion(asked, situation.view);
  const ranked = rankAnswers(question, gatherEvidence(question, situation.view), { wording: asked }).slice(
    0,
    3,
  );
  if (ranked.length === 0) {
    const unknown = `${OFFLINE_MARK} I do not know: nothing I have stored or see here answers it.`;
    return [say(weight, "The context holds no answer.", unknown)];
  }
  return ranked.map(({ text }, index) =>
    say(weight / (1 + index * 1.5), "I answer with the words of the text that fits best.", text),
  );
}

/** Names in the best sentences that occur neither in the question nor in a known title. */
function bridgeEntities(situation: Situation, question: string): string[] {
  const asked = { ...readQuestion(question), kind: "person" as const };
  const inQuestion = new Set(words(question));
  const evidence = gatherEvidence(question, situation.view).slice(0, 3);
  const titles = new Set(evidence.map((sentence) => bareTitle(sentence.title).toLowerCase()));
  const found = evidence
    .flatMap((sentence) => spansOf(sentence.text, asked))
    .sort((a, b) => b.weight - a.weight);
  const out: string[] = [];
  for (const { text } of found) {
    const list = words(text);
    if (list.length === 0 || list.every((word) => inQuestion.has(word))) continue;
    if (titles.has(text.toLowerCase()) || out.includes(text)) continue;
    out.push(text);
  }
  return out.slice(0, 3);
}
