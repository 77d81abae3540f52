/**
 * Tasks that need all six operations: what was told changes, is contradicted or withdrawn, the answer rests on two facts, and the
 * distractors fill the context unless they are filtered or summarized.
 *
 * Owns the three kinds of change and how a HotpotQA task is given one. Names and wording are made up (`synthetic-world.ts`); a
 * task declares what became outdated. Pure.
 */
import { InputError } from "../../errors.js";
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

/** What makes the tasks long and hard. */
export interface CurriculumShape {
  /** Most tellings that go out of date, 1 to 5; a task has two thirds of them at least. Default 3. */
  changes: number;
  /** Distractors, 0 to 100; default 10. */
  distractors: number;
  /** Words of each distractor, 10 to 2,000; default 330: ten of them go over a T_max of 4,096 tokens. */
  words: number;
  /** Facts that the answer rests on: 1, asked of the person by name, or 2 (default), asked of somebody's relation. */
  facts: number;
}

const USUAL: Readonly<CurriculumShape> = { changes: 3, distractors: 10, words: 330, facts: 2 };
const LIMITS: Readonly<Record<keyof CurriculumShape, [least: number, most: number]>> = {
  changes: [1, 5],
  distractors: [0, 100],
  words: [10, 2000],
  facts: [1, 2],
};

/** Options of {@link generateCurriculum}. */
interface CurriculumOptions {
  count: number;
  /** Default 0. */
  seed?: number | string;
  shape?: Partial<CurriculumShape>;
}

/**
 * Generates tasks, the kinds of change in turn; equal options give equal tasks.
 *
 * @throws InputError `AGEMEM_INPUT_ARGUMENT` for a shape outside its limits
 * @example
 * const tasks = generateCurriculum({ count: 30, seed: 1, shape: { changes: 1, distractors: 2, words: 30 } });
 */
export function generateCurriculum({ count, seed = 0, shape: given }: CurriculumOptions): MemoryTask[] {
  const shape = { ...USUAL, ...given };
  for (const [name, [least, most]] of Object.entries(LIMITS) as [keyof CurriculumShape, [number, number]][]) {
    if (Number.isInteger(shape[name]) && shape[name] >= least && shape[name] <= most) continue;
    throw new InputError(
      "AGEMEM_INPUT_ARGUMENT",
      `Tasks of the curriculum cannot have ${name}=${shape[name]}`,
      {
        remedy: `Give a whole number from ${least} to ${most}.`,
      },
    );
  }
  return Array.from({ length: count }, (_, i) => generateOne(i, `curriculum/${seed}/${i}`, shape));
}

function generateOne(i: number, seed: string, shape: CurriculumShape): MemoryTask {
  const random = createRandom(seed);
  const turn = TURNS[i % TURNS.length] as Turn;
  const first = random.shuffle(FIRST_NAMES);
  const last = random.shuffle(SURNAMES);
  const [asked, person, other] = [0, 1, 2].map((n) => `${first[n]} ${last[n]}`) as [string, string, string];
  const attribute = random.pick(ATTRIBUTES);
  const values = random.shuffle(attribute.values);
  const relation = random.pick(RELATIONS);
  const link = random.pick(LINKS)(asked, relation, person);
  const states = statesOf(turn, { attribute, who: person, values, most: shape.changes }, random);
  const unused = values.slice(shape.changes + 1);
  const bystander = attribute.is(other, unused[0] as string, random.pick(MONTHS));
  const [start = "", ...later] = states.told;
  const linked = shape.facts > 1;
  const told: Passage[] = [
    ...(linked ? [{ title: asked, text: link }] : []),
    { title: person, text: start },
    { title: other, text: bystander },
    ...later.map((text) => ({ title: person, text })),
  ];
  return {
    id: `curriculum-${turn}-${i}`,
    question: attribute.asks(linked ? `${asked}'s ${relation}` : person),
    answer: states.answer,
    context: told.map(({ title, text }) => ({ title, text: `${text} ${random.pick(CHIT_CHAT)}` })),
    distractors: fillers(random, attribute, linked ? [asked, person] : [person], unused, shape),
    goldFacts: linked ? [link, states.current] : [states.current],
    outdatedFacts: states.outdated,
    metadata: { dataset: "curriculum", turn, attribute: attribute.name, stale: states.stale },
  };
}

const LINKS: readonly ((who: string, relation: string, whom: string) => string)[] = [
  (who, relation, whom) => `${who}'s ${relation} is ${whom}.`,
  (who, relation, whom) => `${whom} is ${who}'s ${relation}.`,
  (who, relation, whom) => `The ${relation} of ${who} is ${whom}.`,
];

const CORRECTIONS: readonly string[] = [
  "I had that wrong.",
  "What I told you about this was a mistake.",
  "That was not right.",
];

const WITHDRAWALS: readonly ((who: string, value: string) => string)[] = [
  (who, value) => `Forget what I said about ${who} and ${value}: that was somebody else.`,
  (who, value) => `Please ignore what I told you of ${who} and ${value}.`,
  (who, value) => `The story of ${who} and ${value} never happened.`,
];

/** What a task tells of a person. */
interface Life {
  attribute: Attribute;
  who: string;
  values: readonly string[];
  /** Most tellings that go out of date. */
  most: number;
}

/** What is told of a person, in order, and what of it holds at the end. */
interface States {
  told: string[];
  current: string;
  outdated: string[];
  answer: string;
  stale: string[];
}

/** Changes or corrections one after the other; then, where the turn is "withdrawn", one or two tellings that are taken back. */
function statesOf(turn: Turn, { attribute, who, values, most }: Life, random: Random): States {
  const least = Math.ceil((most * 2) / 3);
  const n = least + random.integer(most - least + 1);
  const mistakes = turn === "withdrawn" ? 1 + random.integer(Math.min(2, n)) : 0;
  const turns = n - mistakes;
  const start = random.integer(MONTHS.length - 2 * n);
  const month = (at: number): string => MONTHS[start + 2 * at] as string;
  const state = (at: number): string => {
    const value = values[at] as string;
    if (at === 0 || turn === "contradicted") return attribute.is(who, value, month(0));
    return attribute.becomes(who, value, values[at - 1] as string, month(at));
  };
  const states = Array.from({ length: turns + 1 }, (_, at) => state(at));
  const told = states.map((text, at) =>
    at > 0 && turn === "contradicted" ? `${random.pick(CORRECTIONS)} ${text}` : text,
  );
  const wrong = values.slice(turns + 1, n + 1);
  const mistaken = wrong.map((value, at) => attribute.is(who, value, month(turns + 1 + at)));
  const back = wrong.map((value) => random.pick(WITHDRAWALS)(who, value));
  return {
    told: [...told, ...mistaken, ...back],
    current: states[turns] as string,
    outdated: [...states.slice(0, -1), ...mistaken],
    answer: values[turns] as string,
    stale: [...values.slice(0, turns), ...wrong],
  };
}

/** Long passages about people with half a name in common, with other values. */
function fillers(
  random: Random,
  attribute: Attribute,
  people: readonly string[],
  values: readonly string[],
  { distractors, words }: CurriculumShape,
): Passage[] {
  const names = people.flatMap((name) => name.split(" "));
  const firsts = FIRST_NAMES.filter((name) => !names.includes(name));
  const surnames = SURNAMES.filter((name) => !names.includes(name));
  return Array.from({ length: distractors }, (_, i) => {
    const [first, surname] = (people[i % people.length] as string).split(" ");
    const name = i % 2 === 0 ? `${first} ${random.pick(surnames)}` : `${random.pick(firsts)} ${surname}`;
    const sentences = [attribute.is(name, random.pick(values), random.pick(MONTHS))];
    while (sentences.join(" ").split(" ").length < words) sentences.push(...random.shuffle(CHIT_CHAT));
    return { title: name, text: sentences.join(" ").split(" ").slice(0, words).join(" ") };
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
