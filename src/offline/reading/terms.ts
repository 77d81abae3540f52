/**
 * Words that carry meaning, stemmed, and the everyday topics they belong to. Pure.
 *
 * Topics let a rule see that "moved to Lisbon" and "lives in Porto" are about the same thing.
 */
import { STOP_WORDS, stem, TALK_WORDS, words } from "../../text/words.js";

/** Function words, and the words by which people ask the agent for something. */
const IGNORED = new Set([
  ...STOP_WORDS,
  ...TALK_WORDS,
  ..."am were does did doing having mine myself us ours yours his hers theirs whose whom then no yes would shall few own again during until please tell know remember remind user got up off one name called".split(
    " ",
  ),
]);

const TOPICS: Record<string, string> = {
  home: "live lives living lived move moves moved moving relocated relocate address apartment flat based reside resides house neighbourhood neighborhood",
  drink: "coffee tea espresso drink drinks drinking latte matcha cappuccino beverage",
  diet: "vegetarian vegan pescatarian eat eats eating diet food meat fish dinner lunch cook cooking recipe restaurant meal dish",
  allergy: "allergic allergy allergies intolerant intolerance peanut peanuts nuts",
  job: "work works working worked job company employer boss office colleague hired career profession promoted occupation",
  travel:
    "flight fly flying flies trip travel travels travelling airport train departs departure hotel boarding terminal gate",
  pet: "dog cat pet puppy kitten",
  sport: "run running runs marathon gym swim swimming training cycling climb climbing yoga",
  health: "doctor dentist therapy therapist diagnosis medication medicine surgery sick",
  birthday: "birthday born",
  hobby: "hobby hobbies guitar piano painting photography pottery",
  meeting: "meeting appointment schedule standup",
};
const TOPIC_OF = new Map<string, string>();
for (const [topic, list] of Object.entries(TOPICS)) {
  for (const word of list.split(" ")) TOPIC_OF.set(stem(word), topic);
}

const RELATIONS =
  "sister|brother|mother|mom|mum|father|dad|wife|husband|partner|girlfriend|boyfriend|son|daughter|friend|boss|manager|colleague|neighbour|neighbor|dog|cat|aunt|uncle|cousin|grandmother|grandfather|grandma|grandpa|ex|niece|nephew|roommate|flatmate|landlord";
const RELATION = new RegExp(`\\b(?:my|your|our|their|user's)\\s+(?:\\w+\\s+){0,2}?(${RELATIONS})\\b`, "i");

/** Stemmed words without function words, each once. */
export function terms(text: string): Set<string> {
  const out = new Set<string>();
  for (const word of words(text)) {
    if (word.length > 1 && !IGNORED.has(word)) out.add(stem(word));
  }
  return out;
}

/** Everyday topics a text touches. */
export function topics(text: string): Set<string> {
  const out = new Set<string>();
  for (const word of words(text)) {
    const topic = TOPIC_OF.get(stem(word));
    if (topic) out.add(topic);
  }
  return out;
}

/** Words of the text's topics, to widen a search query. */
export function topicWords(text: string, max = 6): string[] {
  return [...topics(text)].flatMap((topic) => (TOPICS[topic] ?? "").split(" ").slice(0, max));
}

/** Whom a statement is about: a relation ("sister") or "user". */
export function subjectOf(text: string): string {
  return RELATION.exec(text)?.[1]?.toLowerCase() ?? "user";
}

/** How many items of `a` are in `b`. */
export function overlap(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let count = 0;
  for (const item of a) if (b.has(item)) count++;
  return count;
}

/** Share of the smaller set that is in the other, 0 to 1. */
export function similarity(a: string, b: string): number {
  const left = terms(a);
  const right = terms(b);
  const size = Math.min(left.size, right.size);
  return size === 0 ? 0 : overlap(left, right) / size;
}

/** Shared topics over all topics of two statements, 0 to 1. */
export function topicLikeness(a: string, b: string): number {
  const left = topics(a);
  const right = topics(b);
  const common = overlap(left, right);
  return common === 0 ? 0 : common / (left.size + right.size - common);
}

/** Whether two statements speak of the same thing of the same person, so that one replaces the other. */
export function isSameThing(statement: string, memory: string): boolean {
  if (subjectOf(statement) !== subjectOf(memory)) return false;
  if (topicLikeness(statement, memory) >= 0.5) return true;
  return similarity(statement, memory) >= 0.5;
}

/** Whether a statement is about a named topic: at least half of the topic's words are in it. */
export function isAbout(statement: string, topic: string): boolean {
  const wanted = terms(topic);
  return wanted.size > 0 && overlap(wanted, terms(statement)) / wanted.size >= 0.5;
}
