/** A plain model of a versioned store: immutable maps per branch, snapshots per version, BM25 and cosine by hand. */
import type { StoreVersion } from "../../src/types.js";

export interface ModelItem {
  namespace: string[];
  key: string;
  text: string;
  n: number;
}
type Items = ReadonlyMap<string, ModelItem>;

export interface ModelBranch {
  name: string;
  parent: ModelBranch | null;
  base: Items;
  items: Items;
  open: boolean;
}

const idOf = (namespace: readonly string[], key: string): string => JSON.stringify([namespace, key]);

export class Model {
  readonly branches: ModelBranch[] = [
    { name: "main", parent: null, base: new Map(), items: new Map(), open: true },
  ];
  snapshots: { version: StoreVersion; items: Items; pinned: boolean }[] = [];

  put(branch: ModelBranch, item: ModelItem): void {
    const items = new Map(branch.items);
    items.set(idOf(item.namespace, item.key), item);
    branch.items = items;
  }

  delete(branch: ModelBranch, namespace: string[], key: string): void {
    const items = new Map(branch.items);
    items.delete(idOf(namespace, key));
    branch.items = items;
  }

  /** Ids on which promotion conflicts. */
  conflicts(branch: ModelBranch): string[] {
    const theirs = branch.parent?.items ?? new Map();
    return this.changed(branch).filter((id) => {
      const [mine, base, other] = [branch.items.get(id), branch.base.get(id), theirs.get(id)];
      return other !== base && !(mine && other ? same(mine, other) : mine === other);
    });
  }

  changed(branch: ModelBranch): string[] {
    const ids = new Set([...branch.items.keys(), ...branch.base.keys()]);
    return [...ids].filter((id) => branch.items.get(id) !== branch.base.get(id));
  }

  promote(branch: ModelBranch): void {
    const parent = branch.parent as ModelBranch;
    const items = new Map(parent.items);
    for (const id of this.changed(branch)) {
      const mine = branch.items.get(id);
      if (mine) items.set(id, mine);
      else items.delete(id);
    }
    parent.items = items;
    branch.open = false;
  }
}

const same = (a: ModelItem, b: ModelItem): boolean => a.text === b.text && a.n === b.n;

export function under(items: Items, prefix: readonly string[]): ModelItem[] {
  return [...items.values()].filter(({ namespace }) => prefix.every((label, i) => namespace[i] === label));
}

/** Expected vector scores by item id, for letter embeddings. */
export function cosines(items: readonly ModelItem[], query: string): Map<string, number> {
  const q = letters(query);
  return new Map(items.map((item) => [idOf(item.namespace, item.key), cosine(q, letters(item.text))]));
}

function letters(text: string): number[] {
  const counts = new Array<number>(26).fill(0);
  for (const letter of text) if (letter >= "a" && letter <= "z") counts[letter.charCodeAt(0) - 97]! += 1;
  return counts;
}

function cosine(a: number[], b: number[]): number {
  const sum = (f: (i: number) => number) => a.reduce((total, _, i) => total + f(i), 0);
  const norms = Math.sqrt(sum((i) => a[i]! ** 2)) * Math.sqrt(sum((i) => b[i]! ** 2));
  return norms === 0 ? 0 : sum((i) => a[i]! * b[i]!) / norms;
}

/** Expected BM25 scores by item id, items without a match left out. */
export function bm25(items: readonly ModelItem[], query: string): Map<string, number> {
  const docs = items.map((item) => ({ id: idOf(item.namespace, item.key), words: item.text.split(" ") }));
  const average = docs.reduce((sum, { words }) => sum + words.length, 0) / Math.max(docs.length, 1);
  const scores = new Map<string, number>();
  for (const term of new Set(query.split(" "))) {
    const df = docs.filter(({ words }) => words.includes(term)).length;
    const idf = Math.log(1 + (docs.length - df + 0.5) / (df + 0.5));
    for (const { id, words } of docs) {
      const tf = words.filter((word) => word === term).length;
      if (tf === 0) continue;
      const score = (idf * tf * 1.9) / (tf + 0.9 * (0.6 + (0.4 * words.length) / average));
      scores.set(id, (scores.get(id) ?? 0) + score);
    }
  }
  return scores;
}

export { idOf };
