/**
 * Which action to take next in a text game, by rules that know no game: what has words of the task, is new, led somewhere, or
 * solved a task like this one. Pure.
 *
 * The actions to choose from are those that an observation listed, and the known forms filled with things in sight. Leaves out
 * reading (`play.ts`) and memory operations (`rules/acting-rule.ts`).
 */
import { STOP_WORDS, stem, words } from "../../text/words.js";
import type { Lesson } from "./lessons.js";
import { isInquiry, listedActions, type Play, type PlayedAction } from "./play.js";
import { filled, hasSlot, thingsIn } from "./things.js";

/** An action and how good it looks. */
export interface RatedAction {
  action: string;
  score: number;
}

/** Verbs that only look, which few tasks are solved by, and those that lead to something new. */
const LOOKING = /^(?:look|examine|inventory|help|check|wait\d*|read|task|reset)\b/i;
const EXPLORING = /^(?:go|open|enter|walk)\b/i;
/** Weight of each refusal of a word of the action. */
const DOUBT = 0.2;
const MAX_FILLED = 40;
const MAX_THINGS = 12;

/** The actions that can be chosen, best first. Deterministic. */
export function rateActions(play: Play, lessons: readonly Lesson[]): RatedAction[] {
  const wanted = stemsOf(play.task);
  const plan = planned(play, lessons);
  const { listed, age } = newestList(play);
  const whole = listed.filter((form) => !hasSlot(form));
  const isListed = new Set(whole);
  // Whole actions may be guessed at and taken from a lesson only where a list does not say all that is possible.
  const complete = listed.length > 0 && whole.length === listed.length;
  const guesses = complete && age === 0 ? [] : guessesOf(play, wanted, { listed, complete });
  const pool = [...new Set([...whole, ...guesses, ...(complete ? [] : plan.add)])];
  const seen = documentCounts(pool);
  const tried = triedIn(play.played);
  const refusals = refusalsByWord(play.played);
  const scoreOf = (action: string): number => {
    const known = isListed.has(action) ? Math.max(0, 0.6 - 0.05 * age) : 0;
    const bent = Number(EXPLORING.test(action)) * 0.35 - Number(LOOKING.test(action)) * 0.4;
    const guessed = isListed.has(action) ? 0 : doubtOf(action, refusals);
    const doubts = DOUBT * guessed + Number(plan.avoided.has(action)) * 1.5;
    return (
      known +
      bent +
      matchOf(action, wanted, seen) +
      plan.bonus(action) -
      penaltyOf(tried.get(action)) -
      doubts
    );
  };
  const rated = pool.map((action) => ({ action, score: scoreOf(action) }));
  const inquiry = inquiryOf(play, listed.length > 0 && !complete);
  if (inquiry) rated.push(inquiry);
  return rated.sort((a, b) => b.score - a.score);
}

/** The newest list of actions, without the question for it, and how many actions were taken since. */
function newestList({ start, played }: Play): { listed: string[]; age: number } {
  const observations = [start, ...played.map(({ observation }) => observation)];
  for (let at = observations.length - 1; at >= 0; at--) {
    const listed = listedActions(observations[at] ?? "").filter((action) => !isInquiry(action));
    if (listed.length > 0) return { listed, age: observations.length - 1 - at };
  }
  return { listed: [], age: 0 };
}

/** Forms filled with what is in sight or named in the task. */
function guessesOf(
  play: Play,
  wanted: ReadonlySet<string>,
  { listed, complete }: { listed: readonly string[]; complete: boolean },
): string[] {
  const seen = [play.start, ...play.played.flatMap((each) => (each.refused ? [] : [each.observation]))];
  const named = listed.filter(hasSlot);
  const forms = [...new Set([...play.forms, ...named])].filter((form) => !isInquiry(form));
  // The newest two texts that describe something.
  const sight = seen.filter((text) => listedActions(text).length === 0).map(thingsIn);
  const near = [
    ...new Set(
      sight
        .filter(({ length }) => length > 1)
        .slice(-2)
        .flat(),
    ),
  ].reverse();
  const relevant = near.filter((thing) => [...stemsOf(thing)].some((word) => wanted.has(word)));
  // Where a list says what is possible, only things that the task is about are tried without it.
  const others = [...new Set([...relevant, ...near.slice(0, MAX_THINGS)])].slice(0, MAX_THINGS);
  const first = complete ? relevant.slice(0, MAX_THINGS) : others;
  return forms.flatMap((form) => filled(form, { first, others, limit: MAX_FILLED }));
}

/** Words of an action that are in the task; a word that few actions have counts most. */
function matchOf(action: string, wanted: ReadonlySet<string>, seen: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const word of stemsOf(action)) {
    if (wanted.has(word)) sum += 0.3 + 1 / Math.sqrt(seen.get(word) ?? 1);
  }
  return sum;
}

/** How much oftener a word was in refused actions than in others. */
function refusalsByWord(played: readonly PlayedAction[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { action, refused } of played) {
    for (const word of stemsOf(action)) counts.set(word, (counts.get(word) ?? 0) + (refused ? 1 : -1));
  }
  return counts;
}

function doubtOf(action: string, refusals: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const word of stemsOf(action)) sum += Math.min(6, Math.max(0, refusals.get(word) ?? 0));
  return sum;
}

interface Tried {
  times: number;
  /** Times after which something was seen that had not been seen before. */
  led: number;
  /** Actions ago that it was refused last; null if never. */
  refused: number | null;
  last: boolean;
}

function triedIn(played: readonly PlayedAction[]): Map<string, Tried> {
  const out = new Map<string, Tried>();
  const observed = new Set<string>();
  for (const [at, { action, observation, refused }] of played.entries()) {
    const known = out.get(action) ?? { times: 0, led: 0, refused: null, last: false };
    const fresh = !refused && !observed.has(observation);
    observed.add(observation);
    out.set(action, {
      times: known.times + 1,
      led: known.led + Number(fresh),
      refused: refused ? played.length - at : known.refused,
      last: at === played.length - 1,
    });
  }
  return out;
}

/** What was refused may be possible later; what led nowhere will hardly lead anywhere now. */
function penaltyOf(tried: Tried | undefined): number {
  if (!tried) return 0;
  const refusal = tried.refused === null ? 0 : 4 / (1 + tried.refused / 6);
  const stale = (tried.times - tried.led) * 0.9 + tried.led * 0.35;
  return refusal + stale + (tried.last ? 0.2 : 0);
}

/** The question which actions there are: the longer ago it was asked, the better; once if the answer is forms of actions. */
function inquiryOf({ forms, played }: Play, knowsForms: boolean): RatedAction | null {
  const action = forms.find(isInquiry);
  if (action === undefined) return null;
  const asked = played.findLastIndex((each) => isInquiry(each.action) && !each.refused);
  if (asked < 0) return { action, score: played.length < 3 ? 6 : 0.5 };
  if (knowsForms) return null;
  const age = played.length - 1 - asked;
  const stuck = played.slice(-2).filter(({ refused }) => refused).length;
  return { action, score: age === 0 ? -9 : Math.min(1.5, 0.2 * age + 0.4 * stuck) };
}

/** What the lesson of a task like this one says comes next. */
function planned(play: Play, lessons: readonly Lesson[]) {
  const best = lessons.find(({ solved }) => solved);
  const avoided = new Set(lessons.filter(({ solved }) => !solved).flatMap(({ actions }) => actions));
  const next = best && nextOf(best.actions, play.played);
  const bonus = (action: string): number => {
    if (next === undefined) return 0;
    if (action.toLowerCase() === next.toLowerCase()) return 5;
    return shapeOf(action) === shapeOf(next) ? 3 : 0;
  };
  return { add: next === undefined ? [] : [next], avoided, bonus };
}

/** The first action of a plan that was not tried yet, in its order. */
function nextOf(plan: readonly string[], played: readonly PlayedAction[]): string | undefined {
  let at = 0;
  for (const { action } of played) {
    if (shapeOf(action) === shapeOf(plan[at] ?? "")) at++;
  }
  return plan[at];
}

/** An action without the numbers of its things. */
function shapeOf(action: string): string {
  return action.toLowerCase().replace(/\d+/g, "#").trim();
}

function stemsOf(text: string): Set<string> {
  return new Set(
    words(text)
      .filter((word) => !STOP_WORDS.has(word))
      .map(stem),
  );
}

function documentCounts(pool: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const action of pool)
    for (const word of stemsOf(action)) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}
