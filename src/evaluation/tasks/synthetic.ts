/**
 * Generates tasks about people whose circumstances change: seeded, with a chosen difficulty and known gold facts.
 *
 * Owns what makes a task hard: how many people a question passes through, how often the asked fact changed, how much
 * small talk surrounds it, how many similar passages follow. Leaves out names and wording (`synthetic-world.ts`). Pure.
 */
import { InputError } from "../../errors.js";
import { createRandom, type Random } from "../../lib/random.js";
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

/** Options of {@link generateTasks}. */
export interface SyntheticOptions {
  count: number;
  /** Default 0. */
  seed?: number | string;
  /** 0 (one person, no changes) to 1 (three people, two changes, ten distractors). Default 0.5. */
  difficulty?: number;
  /** Overrides single numbers of the difficulty. */
  shape?: Partial<TaskShape>;
}

/** What a difficulty means. */
export interface TaskShape {
  /** People that a question passes through, 1 to 7; the difficulty gives 1 to 3. */
  hops: number;
  /** How often the asked fact changed, 0 to 5; the difficulty gives 0 to 2. */
  changes: number;
  /** Passages about people with similar names; the difficulty gives 3 to 10. */
  distractors: number;
  /** Sentences of small talk with each fact, at most 12; the difficulty gives 0 to 3. */
  talk: number;
}

/** Limits: the invented world has no more names, months and sentences. */
const MOST: Readonly<TaskShape> = {
  hops: RELATIONS.length + 1,
  changes: 5,
  distractors: 100,
  talk: CHIT_CHAT.length,
};

/**
 * Generates tasks. Equal options give equal tasks; a longer list begins with the shorter one.
 *
 * `goldFacts` are the sentences that are true at the end; `metadata.stale` lists earlier values, which are wrong
 * answers. No distractor contains a person of the chain or the answer.
 *
 * @throws InputError `AGEMEM_INPUT_ARGUMENT` for a difficulty outside 0 to 1, or a shape outside its limits
 * @example
 * const [task] = generateTasks({ count: 1, seed: 7, difficulty: 0, shape: { changes: 1 } });
 */
export function generateTasks({
  count,
  seed = 0,
  difficulty = 0.5,
  shape: given,
}: SyntheticOptions): MemoryTask[] {
  if (!(difficulty >= 0 && difficulty <= 1)) {
    throw new InputError("AGEMEM_INPUT_ARGUMENT", `The difficulty ${difficulty} is not from 0 to 1`, {
      remedy: "Give 0 for the easiest tasks, 1 for the hardest.",
    });
  }
  const shape = shapeOf(difficulty, given);
  return Array.from({ length: count }, (_, i) =>
    generate(`${seed}/${difficulty}/${i}`, i, shape, difficulty),
  );
}

function shapeOf(difficulty: number, given: Partial<TaskShape> = {}): TaskShape {
  const shape: TaskShape = {
    hops: 1 + Math.round(2 * difficulty),
    changes: Math.round(2 * difficulty),
    distractors: 3 + Math.round(7 * difficulty),
    talk: Math.round(3 * difficulty),
    ...given,
  };
  for (const name of Object.keys(MOST) as (keyof TaskShape)[]) {
    const least = name === "hops" ? 1 : 0;
    if (Number.isInteger(shape[name]) && shape[name] >= least && shape[name] <= MOST[name]) continue;
    throw new InputError("AGEMEM_INPUT_ARGUMENT", `Tasks cannot have ${name}=${shape[name]}`, {
      remedy: `Give a whole number from ${least} to ${MOST[name]}.`,
    });
  }
  return shape;
}

function generate(seed: string, i: number, shape: TaskShape, difficulty: number): MemoryTask {
  const { hops, changes, talk } = shape;
  const random = createRandom(`synthetic/${seed}`);
  const people = pickPeople(random, hops);
  const attribute = random.pick(ATTRIBUTES);
  const values = random.shuffle(attribute.values).slice(0, changes + 1);
  const relations = random.shuffle(RELATIONS).slice(0, hops - 1);
  const answer = values.at(-1) as string;
  const last = people.at(-1) as string;
  const links = relations.map((relation, hop) => ({
    title: people[hop] as string,
    text: `${people[hop]}'s ${relation} is ${people[hop + 1]}.`,
  }));
  // All within one year, so that the months show which is the latest.
  const start = random.integer(MONTHS.length - 2 * changes);
  const states = values.map((value, n) => {
    const month = MONTHS[start + 2 * n] as string;
    const before = values[n - 1];
    const text =
      before === undefined ? attribute.is(last, value, month) : attribute.becomes(last, value, before, month);
    return { title: last, text };
  });
  const told = interleave(random, links, states);
  return {
    id: `synthetic-${i}`,
    question: attribute.asks(
      relations.reduce((name, relation) => `${name}'s ${relation}`, people[0] as string),
    ),
    answer,
    context: told.map(({ title, text }) => ({ title, text: [text, ...smallTalk(random, talk)].join(" ") })),
    distractors: lookAlikes(random, people, attribute, values, shape.distractors),
    goldFacts: [...links, ...states.slice(-1)].map(({ text }) => text),
    ...(changes > 0 ? { outdatedFacts: states.slice(0, -1).map(({ text }) => text) } : {}),
    metadata: {
      dataset: "synthetic",
      difficulty,
      hops,
      changes,
      attribute: attribute.name,
      stale: values.slice(0, -1),
    },
  };
}

/** People who share neither first names nor surnames. */
function pickPeople(random: Random, n: number): string[] {
  const first = random.shuffle(FIRST_NAMES);
  const surnames = random.shuffle(SURNAMES);
  return Array.from({ length: n }, (_, i) => `${first[i]} ${surnames[i]}`);
}

/** Mixes two lists at random but keeps the order of each, so that a change comes after what it changes. */
function interleave<T>(random: Random, a: readonly T[], b: readonly T[]): T[] {
  const out: T[] = [];
  const rest: [T[], T[]] = [[...a], [...b]];
  while (out.length < a.length + b.length) {
    const from = random.integer(rest[0].length + rest[1].length) < rest[0].length ? rest[0] : rest[1];
    out.push(from.shift() as T);
  }
  return out;
}

function smallTalk(random: Random, n: number): string[] {
  return random.shuffle(CHIT_CHAT).slice(0, n);
}

/** Passages about other people who share a first name or surname, with the same kind of fact and another value. */
function lookAlikes(
  random: Random,
  people: readonly string[],
  attribute: Attribute,
  used: readonly string[],
  n: number,
): Passage[] {
  const values = attribute.values.filter((value) => !used.includes(value));
  const firsts = FIRST_NAMES.filter((name) => !people.some((person) => person.startsWith(`${name} `)));
  const surnames = SURNAMES.filter((name) => !people.some((person) => person.endsWith(` ${name}`)));
  return Array.from({ length: n }, (_, i) => {
    const [first, surname] = (people[i % people.length] as string).split(" ");
    const name = i % 2 === 0 ? `${first} ${random.pick(surnames)}` : `${random.pick(firsts)} ${surname}`;
    const value = random.pick(values);
    return {
      title: name,
      text: `${attribute.is(name, value, random.pick(MONTHS))} ${random.pick(CHIT_CHAT)}`,
    };
  });
}
