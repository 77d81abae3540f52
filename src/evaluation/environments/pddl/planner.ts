/**
 * Plans a ground task: greedy best-first search guided by relaxed plans (FF's heuristic), whose actions are tried
 * first.
 *
 * Proves that a task can be solved, and plays the expert. Plans are short, but not the shortest. Pure.
 */
import { applyAction, type GroundAction, type GroundTask, isApplicable, type PddlState } from "./ground.js";

/** Options of {@link plan}. */
export interface PlanOptions {
  /** Where to start; default: the task's initial state. */
  from?: PddlState;
  /** Most states to examine; default 200,000. */
  maxStates?: number;
}

interface Node {
  state: PddlState;
  parent: Node | undefined;
  action: GroundAction | undefined;
}

/** Actions that reach the goal, in order; undefined if none were found. */
export function plan(task: GroundTask, options: PlanOptions = {}): GroundAction[] | undefined {
  const relaxed = new RelaxedPlanner(task);
  const queues = [new Buckets<Node>(), new Buckets<Node>()] as const;
  const seen = new Set<string>();
  const visit = (node: Node): Node | undefined => {
    const key = String.fromCharCode(...node.state);
    if (seen.has(key)) return undefined;
    seen.add(key);
    if (task.goal.every((fact) => node.state[fact] === 1)) return node;
    const guess = relaxed.from(node.state);
    if (!guess) return undefined;
    for (const action of task.actions) {
      if (!isApplicable(node.state, action)) continue;
      const next = { state: applyAction(node.state, action), parent: node, action };
      queues[guess.helpful.has(action) ? 0 : 1].push(guess.length, next);
    }
    return undefined;
  };
  let done = visit({ state: options.from ?? task.init, parent: undefined, action: undefined });
  for (let turn = 0; !done && seen.size < (options.maxStates ?? 200_000); turn++) {
    // Helpful actions are tried nine times out of ten; trying the others keeps the search complete.
    const first = turn % 10 === 9 ? 1 : 0;
    const node = queues[first].pop() ?? queues[1 - first]?.pop();
    if (!node) return undefined;
    done = visit(node);
  }
  return done && pathTo(done);
}

function pathTo(end: Node): GroundAction[] {
  const path: GroundAction[] = [];
  for (let node: Node | undefined = end; node?.action; node = node.parent) path.push(node.action);
  return path.reverse();
}

/** First in, first out within one guess. */
class Buckets<T> {
  readonly #buckets: { items: T[]; next: number }[] = [];

  push(level: number, item: T): void {
    this.#buckets[level] ??= { items: [], next: 0 };
    this.#buckets[level].items.push(item);
  }

  pop(): T | undefined {
    for (const bucket of this.#buckets) {
      if (bucket && bucket.next < bucket.items.length) return bucket.items[bucket.next++];
    }
    return undefined;
  }
}

interface RelaxedPlan {
  /** Actions of the relaxed plan. */
  length: number;
  /** Those of them that are possible now. */
  helpful: ReadonlySet<GroundAction>;
}

/** Plans as if actions removed no facts. */
class RelaxedPlanner {
  readonly #users: GroundAction[][];

  constructor(private readonly task: GroundTask) {
    this.#users = task.facts.map(() => []);
    for (const action of task.actions)
      for (const fact of new Set(action.precondition)) this.#users[fact]?.push(action);
  }

  /** Undefined if the goal is unreachable even then. */
  from(state: PddlState): RelaxedPlan | undefined {
    const reached = this.#reach(state);
    if (this.task.goal.some((fact) => !reached.has(fact))) return undefined;
    const chosen = new Set<GroundAction>();
    const wanted = [...this.task.goal];
    const met = new Set<number>();
    for (let fact = wanted.pop(); fact !== undefined; fact = wanted.pop()) {
      if (met.has(fact)) continue;
      met.add(fact);
      const achiever = reached.get(fact);
      if (!achiever || chosen.has(achiever)) continue;
      chosen.add(achiever);
      wanted.push(...achiever.precondition);
    }
    const helpful = new Set([...chosen].filter((action) => isApplicable(state, action)));
    return { length: chosen.size, helpful };
  }

  /** The cheapest first achiever of each fact that can be reached; null for facts that hold. Costs add up (h_add). */
  #reach(state: PddlState): Map<number, GroundAction | null> {
    const cost = new Map<number, number>();
    const by = new Map<number, GroundAction | null>();
    const queue = new Buckets<number>();
    const open = new Map<GroundAction, number>();
    const settled = new Set<number>();
    const offer = (fact: number, price: number, action: GroundAction | null): void => {
      if (price >= (cost.get(fact) ?? Number.POSITIVE_INFINITY)) return;
      cost.set(fact, price);
      by.set(fact, action);
      queue.push(price, fact);
    };
    for (let fact = 0; fact < state.length; fact++) if (state[fact] === 1) offer(fact, 0, null);
    for (const action of this.task.actions) {
      if (action.precondition.length === 0) for (const added of action.add) offer(added, 1, action);
    }
    for (let fact = queue.pop(); fact !== undefined; fact = queue.pop()) {
      if (settled.has(fact)) continue;
      settled.add(fact);
      for (const action of this.#users[fact] ?? []) {
        const missing = (open.get(action) ?? new Set(action.precondition).size) - 1;
        open.set(action, missing);
        if (missing > 0) continue;
        const price = 1 + action.precondition.reduce((sum, need) => sum + (cost.get(need) ?? 0), 0);
        for (const added of action.add) offer(added, price, action);
      }
    }
    return by;
  }
}
