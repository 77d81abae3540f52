/**
 * Statements as they are stored in memories, each fact in three wordings: real duplicates, and texts that only look
 * like duplicates. Data only.
 */

/** A kind of statement about a person. */
export interface StatementForm {
  name: string;
  values: readonly string[];
  wordings: readonly ((who: string, value: string) => string)[];
}

export const PEOPLE = ["The user", "Mara Lindqvist", "Tarek Oduya"] as const;

export const STATEMENTS: readonly StatementForm[] = [
  {
    name: "city",
    values: ["Lisbon", "Ghent", "Tartu", "Bergen"],
    wordings: [
      (who, value) => `${who} lives in ${value}.`,
      (who, value) => `${value} is where ${who} has a home.`,
      (who, value) => `${who} resides in the city of ${value}.`,
    ],
  },
  {
    name: "allergy",
    values: ["peanuts", "shellfish", "sesame", "celery"],
    wordings: [
      (who, value) => `${who} is allergic to ${value}.`,
      (who, value) => `${who} has an allergy to ${value}.`,
      (who, value) => `${who} must not eat ${value} because of an allergy.`,
    ],
  },
  {
    name: "employer",
    values: ["Calder Optics", "Tallis Press", "Merrow Shipping", "Vantage Looms"],
    wordings: [
      (who, value) => `${who} works for ${value}.`,
      (who, value) => `${who} is employed at ${value}.`,
      (who, value) => `The employer of ${who} is ${value}.`,
    ],
  },
  {
    name: "pet",
    values: ["tortoise", "greyhound", "parrot", "ferret"],
    wordings: [
      (who, value) => `${who} has a pet ${value}.`,
      (who, value) => `${who} keeps a ${value} at home.`,
      (who, value) => `A ${value} is the pet of ${who}.`,
    ],
  },
  {
    name: "instrument",
    values: ["oboe", "cello", "mandolin", "trombone"],
    wordings: [
      (who, value) => `${who} plays the ${value}.`,
      (who, value) => `${who} is a ${value} player.`,
      (who, value) => `The instrument that ${who} plays is the ${value}.`,
    ],
  },
  {
    name: "meeting",
    values: ["Monday", "Tuesday", "Thursday", "Friday"],
    wordings: [
      (who, value) => `The weekly meeting of ${who} is on ${value}.`,
      (who, value) => `${who} has a team meeting every ${value}.`,
      (who, value) => `Each ${value} ${who} meets the team.`,
    ],
  },
  {
    name: "preference",
    values: ["green tea", "black coffee", "ginger ale", "hot chocolate"],
    wordings: [
      (who, value) => `${who} prefers ${value} in the morning.`,
      (who, value) => `In the morning ${who} likes to drink ${value}.`,
      (who, value) => `${value[0]?.toUpperCase()}${value.slice(1)} is the morning drink of ${who}.`,
    ],
  },
  {
    name: "deadline",
    values: ["4 March", "11 May", "23 June", "30 October"],
    wordings: [
      (who, value) => `The report of ${who} is due on ${value}.`,
      (who, value) => `${who} has to hand in the report by ${value}.`,
      (who, value) => `${value} is the deadline for the report of ${who}.`,
    ],
  },
  {
    name: "car",
    values: ["a blue van", "a red pickup", "an old convertible", "a white hatchback"],
    wordings: [
      (who, value) => `${who} drives ${value}.`,
      (who, value) => `${who} owns ${value} and uses it every day.`,
      (who, value) => `The car of ${who} is ${value}.`,
    ],
  },
  {
    name: "language",
    values: ["Portuguese", "Estonian", "Turkish", "Welsh"],
    wordings: [
      (who, value) => `${who} is learning ${value}.`,
      (who, value) => `${who} studies the ${value} language.`,
      (who, value) => `${who} takes lessons in ${value}.`,
    ],
  },
];
