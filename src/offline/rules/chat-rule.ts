/**
 * Rules for ordinary talk: store what is told, look up what was changed, withdrawn or asked, then act on it.
 *
 * Three steps, each at most once per user message: gather (store, retrieve), settle (update, delete, add), reply.
 */

import { isPersonal, recall, replyTo, SURE } from "../answers/recall.js";
import type { BlockMemory } from "../reading/memory-block.js";
import { ownWords, readPaste } from "../reading/paste.js";
import { isQuestion, readStatements, type Statement, sentencesOf } from "../reading/statements.js";
import { isSameThing, overlap, similarity, terms, topicLikeness, topicWords } from "../reading/terms.js";
import {
  act,
  type CandidateAction,
  call,
  can,
  made,
  type PlannedCall,
  type Situation,
  say,
} from "./action.js";
import { composeReply } from "./reply.js";

/** The user's statements in the newest message, without those of a pasted document. */
export function statementsNow(situation: Situation): Statement[] {
  const { userText, wasFiltered } = situation.view;
  return readStatements(wasFiltered || readPaste(userText) ? ownWords(userText) : userText);
}

/** First step: store new facts; retrieve what changes, withdrawals and open questions need. */
export function gatherRule(situation: Situation): CandidateAction[] {
  const statements = statementsNow(situation);
  const adds = made(situation, "ADD").length > 0 ? [] : newFacts(situation, statements).map(addCall);
  const queries = made(situation, "RETRIEVE").length > 0 ? [] : neededQueries(situation, statements);
  const lookUps = can(situation, "RETRIEVE") ? queries : [];
  if (adds.length === 0 && lookUps.length === 0) return [];
  const retrieve = lookUps.map((query) => call("RETRIEVE", { query, top_k: 5 }));
  const out = [act(4, gatherThought(adds.length, lookUps.length, statements), [...adds, ...retrieve])];
  if (adds.length > 1) out.push(act(1.5, "I store the first fact only.", [...adds.slice(0, 1), ...retrieve]));
  if (adds.length > 0 && lookUps.length === 0) {
    const query = String(adds[0]?.args.content ?? "");
    out.push(
      act(0.8, "I check whether I know this before I store it.", [call("RETRIEVE", { query, top_k: 3 })]),
    );
  }
  if (lookUps.length > 0) {
    const narrow = lookUps.map((query) => call("RETRIEVE", { query, top_k: 2 }));
    out.push(act(1.5, "I look it up, two results are enough.", [...adds, ...narrow]));
    const names = lookUps.map((query) => call("RETRIEVE", { query: namesOf(query), top_k: 3 }));
    out.push(act(1, "I look it up by the names in it.", [...adds, ...names]));
  }
  return out;
}

/** Second step: with the memories at hand, update what changed, delete what is withdrawn. */
export function settleRule(situation: Situation): CandidateAction[] {
  const calls: PlannedCall[] = [];
  const taken = new Set(
    [...made(situation, "UPDATE"), ...made(situation, "DELETE")].map((done) => String(done.args.memory_id)),
  );
  const added = new Set(made(situation, "ADD").map((done) => String(done.args.content)));
  for (const statement of statementsNow(situation)) {
    if (statement.kind === "change") {
      const old = memoryToUpdate(situation, statement.content, taken);
      if (old === "known" || settled(situation, statement.content)) continue;
      if (old) {
        taken.add(old.id);
        calls.push(call("UPDATE", { memory_id: old.id, content: statement.content }));
      } else if (!added.has(statement.content)) calls.push(addCall(statement));
    }
    if (statement.kind === "forget" && made(situation, "DELETE").length === 0) {
      for (const gone of memoriesToForget(situation, statement.content)) {
        calls.push(call("DELETE", { memory_id: gone.id, confirmation: true }));
      }
    }
  }
  return calls.length === 0 ? [] : [act(4, settleThought(calls), calls)];
}

/** Last step: says what was done and answers what was asked. */
export function replyRule(situation: Situation): CandidateAction[] {
  const { view, tools } = situation;
  const nothing = statementsNow(situation).length === 0 && view.calls.length === 0;
  if (view.hasBlock && nothing && view.userText && tools.size > 0) {
    return [
      act(2, "Nothing to store here. I check whether I know something related.", [
        call("RETRIEVE", { query: view.userText.slice(0, 200), top_k: 3 }),
      ]),
      say(0.2, "Nothing to do.", composeReply(situation, [])),
    ];
  }
  return [say(4, "I reply from what the context shows.", composeReply(situation, statementsNow(situation)))];
}

function newFacts(situation: Situation, statements: readonly Statement[]): Statement[] {
  const known = [...situation.view.memories.values()];
  return statements.filter(
    (item) =>
      item.kind === "fact" && !known.some((memory) => similarity(memory.content, item.content) >= 0.95),
  );
}

function addCall(statement: Statement): PlannedCall {
  return call("ADD", { content: statement.content, memory_type: statement.memoryType });
}

function neededQueries(situation: Situation, statements: readonly Statement[]): string[] {
  const out: string[] = [];
  for (const { kind, content } of statements) {
    if (
      kind === "change" &&
      !situation.view.shownNow.some((memory) => isSameThing(content, memory.content))
    ) {
      out.push([content, ...topicWords(content)].join(" "));
    }
    if (kind === "forget") {
      const topic = forgetText(situation, content);
      out.push([topic, ...topicWords(topic)].join(" "));
    }
    if (kind === "question" && !answeredHere(situation, content)) {
      out.push(isPersonal(content) ? [content, ...topicWords(content)].join(" ") : content);
    }
  }
  return [...new Set(out)].slice(0, 3);
}

/** The capitalized words of a query after its first, or the whole query when it has none. */
function namesOf(query: string): string {
  const [, ...rest] = query.split(/\s+/);
  const names = rest.filter((word) => /^["“(]?[\p{Lu}\d]/u.test(word));
  return names.length > 0 ? names.join(" ") : query;
}

function answeredHere(situation: Situation, question: string): boolean {
  return isPersonal(question) && replyTo(question, recall(situation.view, question), SURE) !== null;
}

function memoryToUpdate(
  situation: Situation,
  content: string,
  taken: Set<string>,
): BlockMemory | "known" | null {
  let best: BlockMemory | null = null;
  let bestFit = -1;
  for (const memory of situation.view.memories.values()) {
    if (similarity(memory.content, content) >= 0.99 && terms(memory.content).size >= terms(content).size)
      return "known";
    if (taken.has(memory.id) || !isSameThing(content, memory.content)) continue;
    const fit = similarity(content, memory.content) + topicLikeness(content, memory.content);
    if (fit > bestFit) {
      best = memory;
      bestFit = fit;
    }
  }
  return best;
}

function settled(situation: Situation, content: string): boolean {
  return made(situation, "UPDATE").some((done) => done.args.content === content);
}

function memoriesToForget(situation: Situation, content: string): BlockMemory[] {
  const topic = forgetText(situation, content);
  const wanted = terms(topic);
  const fits = [...situation.view.memories.values()]
    .map((memory) => ({
      memory,
      share: wanted.size === 0 ? 0 : overlap(wanted, terms(memory.content)) / wanted.size,
    }))
    .filter(({ memory, share }) => share >= 0.5 || (share > 0 && isSameThing(topic, memory.content)))
    .sort((a, b) => b.share - a.share);
  const best = fits[0]?.share ?? 0;
  return fits
    .filter(({ share }) => share >= best * 0.9)
    .slice(0, 2)
    .map(({ memory }) => memory);
}

/** "Forget that" without a topic means what was told last. */
function forgetText(situation: Situation, topic: string): string {
  if (terms(topic).size > 0) return topic;
  const last = situation.view.earlierUserTexts.at(-1) ?? "";
  return (
    sentencesOf(last)
      .filter((sentence) => !isQuestion(sentence))
      .at(0) ?? topic
  );
}

function gatherThought(adds: number, lookUps: number, statements: readonly Statement[]): string {
  const kinds = new Set(statements.map((statement) => statement.kind));
  const parts: string[] = [];
  if (adds > 0)
    parts.push(`${adds === 1 ? "A lasting fact was" : `${adds} lasting facts were`} told: I store it.`);
  if (lookUps > 0 && kinds.has("change"))
    parts.push("Something has changed: I look up what I stored about it.");
  if (lookUps > 0 && kinds.has("forget"))
    parts.push("Something is withdrawn: I look up which memory that is.");
  if (lookUps > 0 && kinds.has("question"))
    parts.push("The context does not answer the question: I look it up.");
  return parts.join(" ");
}

function settleThought(calls: readonly PlannedCall[]): string {
  const names = new Set(calls.map((planned) => planned.name));
  const parts: string[] = [];
  if (names.has("Update_memory")) parts.push("The stored memory is out of date: I update it.");
  if (names.has("Delete_memory")) parts.push("The user wants it gone: I delete it.");
  if (names.has("Add_memory")) parts.push("Nothing stored is about the same thing: I add it.");
  return parts.join(" ");
}
