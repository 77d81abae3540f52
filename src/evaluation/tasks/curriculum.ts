/**
 * Tasks that need all six operations: what was told changes, is contradicted or withdrawn, the answer rests on two facts, and the
 * distractors fill the context unless they are filtered or summarized.
 *
 * Owns the three kinds of change and how a HotpotQA task is given one. Names and wording are made up (`synthetic-world.ts`); a
 * task declares what became outdated. Pure.
 */
import { createRandom, type Random } from "../../lib/random.js";
import { splitSentences } from "../../text/text.js";
import type { MemoryTask, Passage } from "../../types.js";
import {
  ATTRIBUTES,
  type Attribute,
  CHIT_CHAT,
  FIRST_NAMES,
  MONTHS,
  RELATIONS,
  SURNAMES,
} from "./synthetic-world.js";

/**
 * How a fact goes out of date: a new state is told ("changed"), the same thing is told otherwise and the newest telling holds
 * ("contradicted"), or a later telling is taken back and the state before it holds ("withdrawn").
 */
const TURNS = ["changed", "contradicted", "withdrawn"] as const;
type Turn = (typeof TURNS)[number];

/** Distractors of a generated task and words in each: with the "full" prompt they fill a T_max of 4,096 tokens. */
const DISTRACTORS = 10;
const WORDS = 180;

/** Options of {@link generateCurriculum}. */
interface CurriculumOptions {
  count: number;
  /** Default 0. */
  seed?: number | string;
}

/**
 * Generates tasks, the kinds of change in turn; equal options give equal tasks.
 *
 * @example
 * const tasks = generateCurriculum({ count: 30, seed: 1 });
 */
export function generateCurriculum({ count, seed = 0 }: CurriculumOptions): MemoryTask[] {
  return Array.from({ length: count }, (_, i) => generateOne(i, `curriculum/${seed}/${i}`));
}

function generateOne(i: number, seed: string): MemoryTask {
  const random = createRandom(seed);
  const turn = TURNS[i % TURNS.length] as Turn;
  const first = random.shuffle(FIRST_NAMES);
  const last = random.shuffle(SURNAMES);
  const [asked, person, other] = [0, 1, 2].map((n) => `${first[n]} ${last[n]}`) as [string, string, string];
  const attribute = random.pick(ATTRIBUTES);
  const [before, after, ...others] = random.shuffle(attribute.values) as [string, string, ...string[]];
  const relation = random.pick(RELATIONS);
  const link = `${asked}'s ${relation} is ${person}.`;
  const states = statesOf(turn, attribute, person, [before, after], random);
  const bystander = attribute.is(other, others[0] as string, random.pick(MONTHS));
  const [start = "", ...later] = states.told;
  const told: Passage[] = [
    { title: asked, text: link },
    { title: person, text: start },
    { title: other, text: bystander },
    ...later.map((text) => ({ title: person, text })),
  ];
  return {
    id: `curriculum-${turn}-${i}`,
    question: attribute.asks(`${asked}'s ${relation}`),
    answer: states.answer,
    context: told.map(({ title, text }) => ({ title, text: `${text} ${random.pick(CHIT_CHAT)}` })),
    distractors: fillers(random, attribute, [asked, person], others),
    goldFacts: [link, states.current],
    outdatedFacts: [states.outdated],
    metadata: { dataset: "curriculum", turn, attribute: attribute.name, stale: [states.stale] },
  };
}

/** What is told of a person, in order, and what of it holds at the end. */
function statesOf(turn: Turn, attribute: Attribute, who: string, [a, b]: [string, string], random: Random) {
  const start = random.integer(MONTHS.length - 2);
  const [early, late] = [MONTHS[start] as string, MONTHS[start + 2] as string];
  const first = attribute.is(who, a, early);
  if (turn === "changed") {
    const second = attribute.becomes(who, b, a, late);
    return { told: [first, second], current: second, outdated: first, answer: b, stale: a };
  }
  const second = attribute.is(who, b, turn === "contradicted" ? early : late);
  if (turn === "contradicted") {
    const correction = `I had that wrong. ${second}`;
    return { told: [first, correction], current: second, outdated: first, answer: b, stale: a };
  }
  const back = `Forget what I said about ${who} and ${b}: that was somebody else. Nothing has changed since ${early}.`;
  return { told: [first, second, back], current: first, outdated: second, answer: a, stale: b };
}

/** Long passages about people with half a name in common, with other values. */
function fillers(
  random: Random,
  attribute: Attribute,
  people: readonly string[],
  values: readonly string[],
): Passage[] {
  const names = people.flatMap((name) => name.split(" "));
  const firsts = FIRST_NAMES.filter((name) => !names.includes(name));
  const surnames = SURNAMES.filter((name) => !names.includes(name));
  return Array.from({ length: DISTRACTORS }, (_, i) => {
    const [first, surname] = (people[i % people.length] as string).split(" ");
    const name = i % 2 === 0 ? `${first} ${random.pick(surnames)}` : `${random.pick(firsts)} ${surname}`;
    const sentences = [attribute.is(name, random.pick(values), random.pick(MONTHS))];
    while (sentences.join(" ").split(" ").length < WORDS) sentences.push(...random.shuffle(CHIT_CHAT));
    return { title: name, text: sentences.join(" ").split(" ").slice(0, WORDS).join(" ") };
  });
}

/**
 * Gives HotpotQA tasks a fact that goes out of date: the answer is first told with another one in its place, and put right after the
 * other passages. Tasks whose answer stands in no gold fact (yes and no among them) are left out.
 *
 * @example
 * const tasks = withContradictions(await loadHotpotQa("hotpot_train_v1.1.json"), 7);
 */
export function withContradictions(tasks: readonly MemoryTask[], seed: number | string = 0): MemoryTask[] {
  return tasks.flatMap(
    (task) => contradicted(task, tasks, createRandom(`contradicted/${seed}/${task.id}`)) ?? [],
  );
}

function contradicted(task: MemoryTask, all: readonly MemoryTask[], random: Random): MemoryTask | undefined {
  const fact = task.goldFacts.find((each) => each.includes(task.answer));
  if (!fact || /^(yes|no)$/i.test(task.answer)) return undefined;
  const kind = kindOf(task.answer);
  const wrong = random
    .shuffle(all)
    .find(
      ({ answer }) => kindOf(answer) === kind && !texts(task).some((text) => text.includes(answer)),
    )?.answer;
  if (wrong === undefined) return undefined;
  const falsely = (text: string): string => text.replaceAll(task.answer, wrong);
  const home = task.context.find(({ text }) => text.includes(fact)) ?? task.context[0];
  const title = home?.title ?? "";
  const correction = { title, text: `What was said of this before is wrong. ${fact}` };
  return {
    ...task,
    id: `${task.id}-contradicted`,
    context: [...task.context.map((each) => ({ title: each.title, text: falsely(each.text) })), correction],
    outdatedFacts: [falsely(fact)],
    metadata: { ...task.metadata, turn: "contradicted", stale: [wrong] },
  };
}

/** Answers that can stand for one another: numbers, names of one or of several words, other words. */
function kindOf(answer: string): string {
  if (/\d/.test(answer)) return "number";
  if (/^(yes|no)$/i.test(answer)) return "closed";
  return `${/^\p{Lu}/u.test(answer) ? "name" : "words"} ${Math.min(3, answer.split(" ").length)}`;
}

function texts({ question, context }: MemoryTask): string[] {
  return [question, ...context.flatMap(({ text }) => splitSentences(text))];
}
