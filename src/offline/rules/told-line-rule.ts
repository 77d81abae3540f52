/**
 * Rule for one line that is told and comes with the memories nearest to it: a numbered fact, or what somebody said and
 * when. The line is stored as it is, or replaces a memory that says something else about the same thing.
 *
 * Leaves out passages (`told-rule.ts`) and what people say about themselves (`chat-rule.ts`).
 */
import { act, type CandidateAction, call, type Situation } from "./action.js";

const NUMBERED = /^\d{1,7}\. (?=\S)/;
const SAID = /^\[[^\]\n]{4,60}\] [^:\n]{1,60}: \S/;

/** Words followed by a value: what comes after them may change while the line is about the same thing. */
const VALUE_FOLLOWS = new Set("is are was were of in by to at for from with as on".split(" "));

/** Stores a told line, or corrects a memory by it. Applies once per message. */
export function toldLineRule(situation: Situation): CandidateAction[] {
  const { view } = situation;
  const line = view.userText.trim();
  const numbered = NUMBERED.test(line);
  if (!view.hasBlock || view.calls.length > 0 || line.includes("\n") || !(numbered || SAID.test(line)))
    return [];
  const add = act(4 * situation.habits.storing, "This is told for later. I store it as it is.", [
    call("ADD", { content: line, memory_type: "fact" }),
  ]);
  const old = numbered ? view.shownNow.find(({ content }) => isOverridden(content, line)) : undefined;
  if (!old) return [add];
  return [
    act(5, "A memory says something else of the same thing. The newer line holds.", [
      call("UPDATE", { memory_id: old.id, content: line }),
    ]),
    add,
  ];
}

/**
 * Whether two numbered facts say different things about one subject: they begin with the same words, up to one that a
 * value follows, and only the value differs.
 *
 * @example
 * isOverridden("3. The capital of France is Paris.", "9. The capital of France is Lyon."); // true
 */
export function isOverridden(older: string, newer: string): boolean {
  if (!NUMBERED.test(older)) return false;
  const [a, b] = [wordsOf(older), wordsOf(newer)];
  let same = 0;
  while (same < Math.min(a.length, b.length) && a[same] === b[same]) same++;
  if (same < 3 || same === a.length || same === b.length) return false;
  // "The capital of Tang Empire is …": the value begins here, or begins with the same words ("Tony Hall", "Tony Blair").
  for (let at = same; at >= 3; at--) {
    if (VALUE_FOLLOWS.has(a[at - 1] ?? ""))
      return a.slice(at).length <= 8 && namesSomething(a.slice(0, at), a.slice(at));
  }
  return false;
}

/** The shared beginning must name its subject, and the rest must not go on naming it ("The capital of A is B"). */
function namesSomething(beginning: readonly string[], rest: readonly string[]): boolean {
  const named = beginning.some((word) => /^\p{Lu}/u.test(word) && word !== "The");
  return named && !rest.some((word) => /^(?:is|are|was|were)$/.test(word));
}

function wordsOf(line: string): string[] {
  return line.replace(NUMBERED, "").replace(/\.$/, "").split(" ").filter(Boolean);
}
