/**
 * Turns a domain and a problem into ground actions over numbered facts.
 *
 * Owns assigning objects to parameters, pruned by types and by facts that no action changes. A state says which facts
 * hold, one byte per fact.
 */
import { InputError } from "../../../errors.js";
import type { Atom, PddlAction, PddlDomain, PddlProblem, Typed } from "./parse.js";

/** Which facts hold: 1 at a fact's number. */
export type PddlState = Uint8Array;

/** An action with its objects. Facts are given by number. */
export interface GroundAction {
  name: string;
  objects: readonly string[];
  precondition: readonly number[];
  add: readonly number[];
  remove: readonly number[];
}

/** A task that can be played and planned. */
export interface GroundTask {
  domain: string;
  objects: readonly string[];
  facts: readonly Atom[];
  actions: readonly GroundAction[];
  init: PddlState;
  goal: readonly number[];
}

/** Grounds a problem. Errors: `AGEMEM_INPUT_FORMAT` for an object that is not declared. */
export function groundTask(domain: PddlDomain, problem: PddlProblem): GroundTask {
  const objects = objectsOf(domain, problem);
  const numbers = new Map<string, number>();
  const facts: Atom[] = [];
  const numberOf = (atom: Atom): number => {
    const key = atom.join(" ");
    let number = numbers.get(key);
    if (number === undefined) {
      number = facts.push(atom) - 1;
      numbers.set(key, number);
    }
    return number;
  };
  for (const atom of [...problem.init, ...problem.goal]) refuseUnknown(atom, objects, problem.name);
  const init = problem.init.map(numberOf);
  const goal = problem.goal.map(numberOf);
  const changed = new Set(
    domain.actions.flatMap(({ add, remove }) => [...add, ...remove].map(([name]) => name)),
  );
  const known = new Set(problem.init.map((atom) => atom.join(" ")));
  const holds = (atom: Atom) => changed.has(atom[0]) || known.has(atom.join(" "));
  const byType = typeIndex(domain, objects);
  const actions = domain.actions.flatMap((action) =>
    bindings(action, byType, holds).map((binding) => toGround(action, binding, numberOf)),
  );
  const state = new Uint8Array(facts.length);
  for (const fact of init) state[fact] = 1;
  return { domain: domain.name, objects: [...objects.keys()], facts, actions, init: state, goal };
}

/** Whether an action is possible. */
export function isApplicable(state: PddlState, { precondition }: GroundAction): boolean {
  return precondition.every((fact) => state[fact] === 1);
}

/** The state after an action. It removes facts first, so that what it adds holds. */
export function applyAction(state: PddlState, { add, remove }: GroundAction): PddlState {
  const next = state.slice();
  for (const fact of remove) next[fact] = 0;
  for (const fact of add) next[fact] = 1;
  return next;
}

/** Whether an action is possible and changes something. */
export function hasEffect(state: PddlState, action: GroundAction): boolean {
  if (!isApplicable(state, action)) return false;
  const { add, remove } = action;
  return (
    add.some((fact) => state[fact] === 0) || remove.some((fact) => state[fact] === 1 && !add.includes(fact))
  );
}

/** All objects with their types. A problem may declare a constant of the domain again. */
function objectsOf(domain: PddlDomain, problem: PddlProblem): Map<string, string> {
  const objects = new Map<string, string>();
  for (const { name, type } of [...domain.constants, ...problem.objects] satisfies Typed[])
    objects.set(name, type);
  return objects;
}

function refuseUnknown(atom: Atom, objects: ReadonlyMap<string, string>, problem: string): void {
  const unknown = atom.slice(1).find((name) => !objects.has(name));
  if (unknown === undefined) return;
  throw new InputError(
    "AGEMEM_INPUT_FORMAT",
    `Problem ${problem} names "${unknown}", which it does not declare`,
    {
      remedy: "Declare the object in the problem, or as a constant of its domain.",
      details: { problem, object: unknown },
    },
  );
}

function typeIndex(
  domain: PddlDomain,
  objects: ReadonlyMap<string, string>,
): (type: string) => readonly string[] {
  const index = new Map<string, string[]>();
  for (const [name, type] of objects) {
    const open = [type, "object"];
    const seen = new Set<string>();
    for (let each = open.pop(); each !== undefined; each = open.pop()) {
      if (seen.has(each)) continue;
      seen.add(each);
      index.set(each, [...(index.get(each) ?? []), name]);
      open.push(...(domain.supertypes.get(each) ?? []));
    }
  }
  return (type) => index.get(type) ?? [];
}

type Binding = ReadonlyMap<string, string>;

/** All assignments whose unchanging preconditions hold, checked as soon as their objects are known. */
function bindings(
  { parameters, precondition }: PddlAction,
  byType: (type: string) => readonly string[],
  holds: (atom: Atom) => boolean,
): Binding[] {
  const found: Binding[] = [];
  const position = new Map(parameters.map(({ name }, i) => [name, i]));
  const lastOf = (atom: Atom) => Math.max(-1, ...atom.map((term) => position.get(term) ?? -1));
  const extend = (binding: Binding, index: number): void => {
    const parameter = parameters[index];
    if (!parameter) {
      found.push(binding);
      return;
    }
    for (const object of byType(parameter.type)) {
      const next = new Map(binding).set(parameter.name, object);
      if (precondition.every((atom) => lastOf(atom) !== index || holds(bind(atom, next))))
        extend(next, index + 1);
    }
  };
  extend(new Map(), 0);
  return found;
}

function bind(atom: Atom, binding: Binding): Atom {
  return atom.map((term) => binding.get(term) ?? term);
}

function toGround(action: PddlAction, binding: Binding, numberOf: (atom: Atom) => number): GroundAction {
  const numbers = (atoms: readonly Atom[]) => atoms.map((atom) => numberOf(bind(atom, binding)));
  return {
    name: action.name,
    objects: action.parameters.map(({ name }) => binding.get(name) as string),
    precondition: numbers(action.precondition),
    add: numbers(action.add),
    remove: numbers(action.remove),
  };
}
