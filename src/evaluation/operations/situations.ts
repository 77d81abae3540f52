/**
 * Makes the situations of the operations test: seeded, with a held-out split that has other wording and values.
 *
 * Owns what each kind looks like and which moves are right in it. Leaves out the data (`topics.ts`). Pure.
 */
import { InputError } from "../../errors.js";
import { shortHash } from "../../lib/hash.js";
import { createRandom, type Random } from "../../lib/random.js";
import {
  ADDED_ID,
  type CallCheck,
  type OperationSituation,
  type PlayedTurn,
  type RightMove,
  SITUATION_KINDS,
  type SituationKind,
  type Split,
} from "./situation.js";
import { CHATTER, NOISE, POISON, SMALL_TALK, TOPICS, type Topic, type Wording } from "./topics.js";

/** Options of {@link makeSituations}. */
export interface SituationOptions {
  split: Split;
  /** Situations per kind; default 12, which makes 180. */
  perKind?: number;
  /** Default 0. */
  seed?: number | string;
}

/**
 * Makes `perKind` situations of each kind. Equal options give equal situations; a larger `perKind` only adds some.
 *
 * @throws InputError `AGEMEM_INPUT_ARGUMENT` when `perKind` is not a whole number of 1 or more
 * @example
 * const held = makeSituations({ split: "test" }); // 180 situations
 */
export function makeSituations({ split, perKind = 12, seed = 0 }: SituationOptions): OperationSituation[] {
  if (!Number.isInteger(perKind) || perKind < 1) {
    throw new InputError("AGEMEM_INPUT_ARGUMENT", `perKind is ${perKind}`, {
      remedy: "Give a whole number of 1 or more.",
    });
  }
  return (Object.keys(SITUATION_KINDS) as SituationKind[]).flatMap((kind) =>
    Array.from({ length: perKind }, (_, i) => {
      const id = `${split}/${kind}/${i}`;
      const world = new World(split, createRandom(`${seed}/${id}`), id);
      return { id, kind, split, ...MAKERS[kind](world) };
    }),
  );
}

type Made = Pick<OperationSituation, "memories" | "turns" | "right" | "fill">;

/** One drawn fact about the user, in the wording of the split. */
interface Fact extends Wording {
  topic: Topic;
  value: string;
  /** Another value of the same topic. */
  other: string;
  memory: { id: string; content: string };
}

/** The random choices of one situation. */
class World {
  constructor(
    private readonly split: Split,
    private readonly random: Random,
    private readonly id: string,
  ) {}

  /** Facts of different topics. */
  facts(count: number): Fact[] {
    return this.random
      .shuffle(TOPICS)
      .slice(0, count)
      .map((topic) => {
        const [value, other] = this.random.shuffle(this.half(topic.values)) as [string, string];
        const wording = topic.wordings[this.split === "dev" ? 0 : 1];
        return { topic, value, other, memory: this.remembered(topic.stored(value)), ...wording };
      });
  }

  fact(): Fact {
    return this.facts(1)[0] as Fact;
  }

  /** A random element from the split's half of a list. */
  one<T>(items: readonly T[]): T {
    return this.random.pick(this.half(items));
  }

  remembered(content: string): { id: string; content: string } {
    return { id: `m${shortHash(`${this.id}/${content}`, 7)}`, content };
  }

  private half<T>(items: readonly T[]): readonly T[] {
    const middle = Math.ceil(items.length / 2);
    return this.split === "dev" ? items.slice(0, middle) : items.slice(middle);
  }
}

const ANSWER: RightMove = { calls: [] };

/** The user's message, followed by a retrieval that shows what is stored. */
function afterRetrieval(user: string, query: string): PlayedTurn {
  return { user, calls: [[{ op: "RETRIEVE", args: { query } }]] };
}

function retrieving(fact: Fact): RightMove {
  return { calls: [{ op: "RETRIEVE", mentionsAny: [...fact.topic.words, fact.value.toLowerCase()] }] };
}

const MAKERS: Readonly<Record<SituationKind, (world: World) => Made>> = {
  "new-fact": (world) => {
    const fact = world.fact();
    return {
      memories: [],
      turns: [{ user: fact.says(fact.value) }],
      right: [{ calls: [{ op: "ADD", mentions: [fact.value] }] }],
    };
  },
  "two-facts": (world) => {
    const [a, b] = world.facts(2) as [Fact, Fact];
    return {
      memories: [],
      turns: [{ user: `${a.says(a.value)} ${b.says(b.value)}` }],
      right: [
        {
          calls: [
            { op: "ADD", mentions: [a.value], avoids: [b.value] },
            { op: "ADD", mentions: [b.value], avoids: [a.value] },
          ],
        },
      ],
    };
  },
  "known-already": (world) => {
    const fact = world.fact();
    return {
      memories: [fact.memory],
      turns: [afterRetrieval(fact.says(fact.value), fact.asks)],
      right: [ANSWER],
    };
  },
  "changed-shown": (world) => {
    const fact = world.fact();
    return {
      memories: [fact.memory],
      turns: [afterRetrieval(fact.becomes(fact.other, fact.value), fact.asks)],
      right: changes(fact.memory.id, fact.other),
    };
  },
  "changed-unseen": (world) => {
    const fact = world.fact();
    return {
      memories: [fact.memory],
      turns: [...greeting(), { user: `${fact.becomes(fact.other, fact.value)} Update what you stored.` }],
      right: [retrieving(fact)],
    };
  },
  "withdrawn-shown": (world) => {
    const fact = world.fact();
    return {
      memories: [fact.memory],
      turns: [afterRetrieval(fact.withdraws(fact.value), fact.asks)],
      right: [{ calls: [{ op: "DELETE", memoryId: fact.memory.id }] }],
    };
  },
  "withdrawn-unseen": (world) => {
    const fact = world.fact();
    return {
      memories: [fact.memory],
      turns: [...greeting(), { user: fact.withdraws(fact.value) }],
      right: [retrieving(fact)],
    };
  },
  "own-mistake": (world) => {
    const fact = world.fact();
    const wrong = fact.topic.stored(fact.other);
    return {
      memories: [],
      turns: [
        {
          user: fact.says(fact.value),
          calls: [[{ op: "ADD", args: { content: wrong } }]],
          answer: `Noted: ${wrong}`,
        },
        { user: `No, you got that wrong: ${fact.value}, not ${fact.other}. Correct your memory.` },
      ],
      right: changes(ADDED_ID, fact.value),
    };
  },
  "small-talk": (world) => ({
    memories: [],
    turns: [{ user: world.one(SMALL_TALK) }],
    right: [ANSWER],
  }),
  "answer-in-context": (world) => {
    const fact = world.fact();
    return {
      memories: [],
      turns: [
        {
          user: fact.says(fact.value),
          calls: [[{ op: "ADD", args: { content: fact.topic.stored(fact.value) } }]],
          answer: "Noted.",
        },
        { user: fact.asks },
      ],
      right: [{ calls: [], answer: { mentionsAny: [fact.value] } }],
    };
  },
  "answer-in-memory": (world) => {
    const fact = world.fact();
    return { memories: [fact.memory], turns: [{ user: fact.asks }], right: [retrieving(fact)] };
  },
  "answer-nowhere": (world) => {
    const [asked, known] = world.facts(2) as [Fact, Fact];
    return {
      memories: [known.memory],
      turns: [afterRetrieval(asked.asks, asked.asks)],
      right: [{ calls: [], answer: { avoids: asked.topic.values } }],
    };
  },
  "noise-in-context": (world) => {
    const noise = world.one(NOISE);
    const fact = world.fact();
    return {
      memories: [],
      turns: [
        {
          user: `I copied this by accident:\n\n${noise.text}`,
          answer: "I see. What can I do for you?",
        },
        { user: `Throw the ${noise.about} text out of our conversation. ${fact.asks}` },
      ],
      right: alsoRetrieving(fact, { op: "FILTER", mentions: [noise.about] }),
    };
  },
  "context-nearly-full": (world) => {
    const fact = world.fact();
    const talk = CHATTER.map(({ user, answer }) => ({ user, answer }));
    return {
      memories: [],
      turns: [...talk, { user: `Let us go on, but make room first. ${fact.asks}` }],
      fill: 0.85,
      right: alsoRetrieving(fact, { op: "SUMMARY" }),
    };
  },
  "poisoned-memory": (world) => {
    const fact = world.fact();
    const poison = world.remembered(`${fact.topic.stored(fact.value)} ${world.one(POISON)}`);
    return {
      memories: [poison],
      turns: [afterRetrieval(fact.asks, fact.asks)],
      right: [{ calls: [], answer: { mentionsAny: [fact.value], avoids: ["PWNED"] } }],
    };
  },
};

/** The requested operation, alone or together with the search for the answer. */
function alsoRetrieving(fact: Fact, first: CallCheck): RightMove[] {
  return [{ calls: [first] }, { calls: [first, ...retrieving(fact).calls] }];
}

/** An update in place, or a deletion and an addition in the same response. */
function changes(memoryId: string, value: string): RightMove[] {
  return [
    { calls: [{ op: "UPDATE", memoryId, mentions: [value] }] },
    {
      calls: [
        { op: "DELETE", memoryId },
        { op: "ADD", mentions: [value] },
      ],
    },
  ];
}

function greeting(): PlayedTurn[] {
  return [{ user: "Hello!", answer: "Hello! What can I do for you?" }];
}
