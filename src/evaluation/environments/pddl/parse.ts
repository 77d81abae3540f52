/**
 * Parses PDDL domains and problems: STRIPS with typing and constants.
 *
 * Owns the syntax and the supported part of it. Quantifiers, conditions, negative preconditions and numbers are refused
 * by name. Leaves out grounding (`ground.ts`).
 */
import { InputError } from "../../../errors.js";

/** A predicate and its terms. Terms that begin with "?" are variables. */
export type Atom = readonly string[];

/** A name and its type, which is "object" if none is written. */
export interface Typed {
  name: string;
  type: string;
}

export interface PddlAction {
  name: string;
  parameters: Typed[];
  precondition: Atom[];
  add: Atom[];
  remove: Atom[];
}

export interface PddlDomain {
  name: string;
  /** Direct supertypes by type. */
  supertypes: ReadonlyMap<string, readonly string[]>;
  constants: Typed[];
  actions: PddlAction[];
}

export interface PddlProblem {
  name: string;
  domain: string;
  objects: Typed[];
  init: Atom[];
  goal: Atom[];
}

type Expression = string | Expression[];

/** Parses a domain. Errors: `AGEMEM_INPUT_FORMAT`. */
export function parseDomain(text: string): PddlDomain {
  const [name, sections] = define(text, "domain");
  const types = sections.filter(isSection(":types")).flatMap((section) => typedList(section.slice(1)));
  const supertypes = new Map<string, string[]>();
  for (const { name: type, type: above } of types)
    supertypes.set(type, [...(supertypes.get(type) ?? []), above]);
  return {
    name,
    supertypes,
    constants: sections.filter(isSection(":constants")).flatMap((section) => typedList(section.slice(1))),
    actions: sections.filter(isSection(":action")).map(toAction),
  };
}

/** Parses a problem. Errors: `AGEMEM_INPUT_FORMAT`. */
export function parseProblem(text: string): PddlProblem {
  const [name, sections] = define(text, "problem");
  const one = (key: string) => sections.find(isSection(key));
  const goal = one(":goal");
  if (!goal?.[1]) throw refused(`problem ${name} has no goal`);
  return {
    name,
    domain: String(one(":domain")?.[1] ?? ""),
    objects: sections.filter(isSection(":objects")).flatMap((section) => typedList(section.slice(1))),
    init: (one(":init") ?? []).slice(1).map((each) => toAtom(each)),
    goal: conjunction(goal[1]).map((each) => toAtom(each)),
  };
}

function define(text: string, kind: string): [string, Expression[][]] {
  const [first, head, ...rest] = list(read(text), "the file");
  const [what, name] = list(head ?? [], "(define …)");
  if (first !== "define" || what !== kind || typeof name !== "string") {
    throw refused(`the file does not begin with (define (${kind} NAME)`);
  }
  return [name, rest.map((section) => list(section, "a section"))];
}

function isSection(key: string) {
  return (section: Expression[]): boolean => section[0] === key;
}

function toAction(section: Expression[]): PddlAction {
  const name = String(section[1]);
  const part = (key: string): Expression => section[section.indexOf(key) + 1] ?? [];
  const effects = conjunction(part(":effect"));
  const negated = (each: Expression) => Array.isArray(each) && each[0] === "not";
  return {
    name,
    parameters: typedList(list(part(":parameters"), `parameters of ${name}`)),
    precondition: section.includes(":precondition")
      ? conjunction(part(":precondition")).map((each) => toAtom(each))
      : [],
    add: effects.filter((each) => !negated(each)).map((each) => toAtom(each)),
    remove: effects.filter(negated).map((each) => toAtom((each as Expression[])[1] ?? [])),
  };
}

function conjunction(expression: Expression): Expression[] {
  if (!Array.isArray(expression) || expression.length === 0) return [];
  return expression[0] === "and" ? expression.slice(1) : [expression];
}

const BEYOND_STRIPS = new Set([
  "not",
  "or",
  "imply",
  "forall",
  "exists",
  "when",
  "=",
  "increase",
  "decrease",
]);

function toAtom(expression: Expression): Atom {
  const words = list(expression, "a literal");
  const [predicate] = words;
  if (typeof predicate !== "string" || BEYOND_STRIPS.has(predicate)) {
    throw refused(`"${String(predicate)}" is not plain STRIPS`);
  }
  return words.map((word) => {
    if (typeof word !== "string") throw refused(`a literal of ${predicate} holds a list`);
    return word;
  });
}

/** `a b - t c` as a:t, b:t, c:object. */
function typedList(words: Expression[]): Typed[] {
  const typed: Typed[] = [];
  let waiting: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    if (typeof word !== "string") throw refused("a type is a list (either)");
    if (word !== "-") {
      waiting.push(word);
      continue;
    }
    const type = words[++i];
    if (typeof type !== "string") throw refused('"-" is not followed by the name of a type');
    typed.push(...waiting.map((name) => ({ name, type })));
    waiting = [];
  }
  return [...typed, ...waiting.map((name) => ({ name, type: "object" }))];
}

function list(expression: Expression, what: string): Expression[] {
  if (!Array.isArray(expression)) throw refused(`${what} is not a list`);
  return expression;
}

/** Case does not matter. A variable begins at its question mark, even without a space before it (`level?l1`). */
function read(text: string): Expression {
  const tokens =
    text
      .toLowerCase()
      .replace(/;[^\n]*/g, " ")
      .match(/[()]|\?[^\s()?]+|[^\s()?]+/g) ?? [];
  const stack: Expression[][] = [[]];
  for (const token of tokens) {
    if (token === "(") stack.push([]);
    else if (token === ")") {
      const done = stack.pop() as Expression[];
      const outer = stack.at(-1);
      if (!outer) throw refused("a parenthesis is closed that was never opened");
      outer.push(done);
    } else stack.at(-1)?.push(token);
  }
  const [top] = stack;
  if (stack.length !== 1 || top?.length !== 1 || top[0] === undefined)
    throw refused("the parentheses do not match");
  return top[0];
}

function refused(message: string): InputError {
  return new InputError("AGEMEM_INPUT_FORMAT", `Not a PDDL file that can be played: ${message}`, {
    remedy: "Give a STRIPS domain (typing and constants allowed) and a problem of it.",
  });
}
