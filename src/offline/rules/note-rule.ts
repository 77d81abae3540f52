/**
 * Rule for a short note about somebody by name that comes with the memories nearest to it: its facts are stored without the talk
 * around them, what it puts right replaces the memory it contradicts, what it takes back is deleted.
 *
 * A fact that only follows another one is stored beside it: only a word of change or correction makes the older one wrong.
 * Leaves out passages, whose sentences all tell of one thing (`told-rule.ts`).
 */
import { splitSentences, truncate } from "../../text/text.js";
import type { BlockMemory } from "../reading/memory-block.js";
import { type Note, readNote } from "../reading/note.js";
import { titleOf } from "../reading/passage.js";
import { overlap, terms, topicLikeness } from "../reading/terms.js";
import { act, type CandidateAction, call, can, type PlannedCall, type Situation } from "./action.js";

/** Characters of a note; longer texts are passages, which are stored whole unless they put something right. */
const SHORT = 350;
const LONGEST = 3000;

/** Stores, corrects or deletes by a note. Applies once per message. */
export function noteRule(situation: Situation): CandidateAction[] {
  const { view } = situation;
  if (!view.hasBlock || view.calls.length > 0) return [];
  const note = readNote(view.userText);
  if (!note) return [];
  const known = [...view.memories.values()].filter((memory) => isAboutSame(memory, note.title));
  const gone = note.takenBack.length > 0 ? closest(known, note.takenBack, note) : null;
  if (gone) return removal(situation, gone, note);
  const old = note.corrects && can(situation, "UPDATE") ? superseded(known, note) : null;
  const isNote = view.userText.length <= SHORT && (note.talks || note.facts.length === 1);
  const adds = note.facts.length > 0 && (old || isNote) ? additions(note, situation.habits.storing) : [];
  return [...(old ? [replacement(old, note)] : []), ...adds];
}

/** Deletes what was taken back, or takes its sentence out of a memory that holds more. */
function removal(situation: Situation, memory: BlockMemory, note: Note): CandidateAction[] {
  const sentences = sentencesOfMemory(memory);
  const rest = sentences.filter((_, i) => i !== likeliest(sentences, note.takenBack, note));
  if (rest.length > 0 && can(situation, "UPDATE")) {
    const content = `${note.title}: ${rest.join(" ")}`;
    return [act(5, "A part of this memory is taken back. I take it out.", [update(memory, content)])];
  }
  return [
    act(5, "What I stored of this is taken back. I delete it.", [
      call("DELETE", { memory_id: memory.id, confirmation: true }),
    ]),
  ];
}

function additions({ title, facts }: Note, storing: number): CandidateAction[] {
  const add = (weight: number, thought: string, sentences: readonly string[]): CandidateAction =>
    act(weight, thought, [
      call("ADD", { content: `${title}: ${sentences.join(" ")}`, memory_type: "fact", metadata: { title } }),
    ]);
  return [
    add(4 * storing, "This is told for later. I store it without the talk around it.", facts),
    ...(facts.length > 1 ? [add(1.2, "I store its first sentence.", facts.slice(0, 1))] : []),
    act(0.8, "I see no need to store this. I check what I know about it.", [
      call("RETRIEVE", { query: title, top_k: 3 }),
    ]),
  ];
}

/** The new fact in the place of the sentence that it contradicts; the rest of the memory stays. */
function replacement(memory: BlockMemory, note: Note): CandidateAction {
  const sentences = sentencesOfMemory(memory);
  const at = likeliest(sentences, note.facts, note);
  const kept = sentences.map((sentence, i) => (i === at ? note.facts.join(" ") : sentence));
  const content = `${note.title}: ${kept.join(" ")}`;
  return act(5, "A memory says what no longer holds. I put it right.", [update(memory, content)]);
}

function update({ id }: BlockMemory, content: string): PlannedCall {
  return call("UPDATE", { memory_id: id, content: truncate(content, LONGEST) });
}

function sentencesOfMemory({ content }: BlockMemory): string[] {
  const title = titleOf(content);
  const lines = content
    .split("\n")
    .map((line) => (line.startsWith(`${title}:`) ? line.slice(title.length + 1) : line));
  return lines.flatMap(splitSentences);
}

/** Index of the sentence that others are about. */
function likeliest(sentences: readonly string[], others: readonly string[], note: Note): number {
  const scores = sentences.map((sentence) => likeness(sentence, others, note));
  return scores.indexOf(Math.max(...scores));
}

/** The memory that a correction is about: the likeliest of those that share a word of matter, or the only one there is. */
function superseded(known: readonly BlockMemory[], note: Note): BlockMemory | null {
  return closest(known, note.facts, note) ?? (known.length === 1 ? (known[0] ?? null) : null);
}

function closest(
  known: readonly BlockMemory[],
  sentences: readonly string[],
  note: Note,
): BlockMemory | null {
  let best: BlockMemory | null = null;
  let most = 0;
  for (const memory of known) {
    const fit = Math.max(0, ...sentencesOfMemory(memory).map((each) => likeness(each, sentences, note)));
    if (fit > most) [best, most] = [memory, fit];
  }
  return best;
}

/** Shared words other than the subject's name, and shared topics. */
function likeness(text: string, sentences: readonly string[], { title }: Note): number {
  const name = terms(title);
  const matter = (each: string): Set<string> => new Set([...terms(each)].filter((term) => !name.has(term)));
  const own = matter(text);
  return Math.max(0, ...sentences.map((each) => overlap(own, matter(each)) + topicLikeness(text, each) / 2));
}

function isAboutSame({ content }: BlockMemory, title: string): boolean {
  return titleOf(content).toLowerCase() === title.toLowerCase();
}
