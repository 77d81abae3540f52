/**
 * The namespaces of a store: ids, labels, and which are below a prefix. An in-memory copy of the table.
 *
 * A namespace is identified by the JSON of its labels, so no label can be mistaken for a separator or a prefix.
 */
import type { MatchCondition } from "@langchain/langgraph";
import type { Connection } from "./database.js";
import { nextId } from "./ids.js";

export interface NamespaceRow {
  id: number;
  path: string;
  labels: string[];
}

/** The canonical text of a namespace: the JSON of its labels, different for different namespaces. */
export function namespacePath(labels: readonly string[]): string {
  return JSON.stringify(labels);
}

export class Namespaces {
  readonly #byPath = new Map<string, NamespaceRow>();
  readonly #byId = new Map<number, NamespaceRow>();
  #sorted: NamespaceRow[] | null = [];
  #lastId = 0;

  constructor(private readonly db: Connection) {
    this.refresh();
  }

  /** Reads the rows that other connections added. */
  refresh(): void {
    const rows = this.db.rows<{ id: number; path: string }>(
      "SELECT id, path FROM namespaces WHERE id > ?",
      this.#lastId,
    );
    for (const row of rows) this.#remember(row.id, row.path);
  }

  /** Reads everything again, after a vacuum or a rolled-back write. */
  reload(): void {
    this.#byPath.clear();
    this.#byId.clear();
    this.#sorted = null;
    this.#lastId = 0;
    this.refresh();
  }

  find(path: string): NamespaceRow | undefined {
    return this.#byPath.get(path);
  }

  get(id: number): NamespaceRow {
    const row = this.#byId.get(id);
    if (!row) throw new RangeError(`unknown namespace id ${id}`);
    return row;
  }

  /** The row of a namespace, inserted if new. Call inside a write transaction. */
  ensure(path: string): NamespaceRow {
    const known = this.#byPath.get(path);
    if (known) return known;
    const id = nextId(this.db, "namespaces");
    this.db.run("INSERT INTO namespaces (id, path) VALUES (?, ?)", id, path);
    return this.#remember(id, path);
  }

  /** The namespaces that begin with `prefix`, ordered by their labels; all of them for `[]`. */
  under(prefix: readonly string[]): NamespaceRow[] {
    const sorted = this.#inOrder();
    if (prefix.length === 0) return sorted;
    const out: NamespaceRow[] = [];
    for (let i = lowerBound(sorted, prefix); i < sorted.length; i++) {
      const row = sorted[i] as NamespaceRow;
      if (!prefix.every((label, at) => row.labels[at] === label)) break;
      out.push(row);
    }
    return out;
  }

  /** Namespaces that meet all conditions, ordered by their labels. */
  matching(conditions: readonly MatchCondition[]): NamespaceRow[] {
    return this.#inOrder().filter((row) => conditions.every((condition) => matches(condition, row.labels)));
  }

  #inOrder(): NamespaceRow[] {
    this.#sorted ??= [...this.#byId.values()].sort((a, b) => compareLabels(a.labels, b.labels));
    return this.#sorted;
  }

  #remember(id: number, path: string): NamespaceRow {
    const row = { id, path, labels: JSON.parse(path) as string[] };
    this.#byPath.set(path, row);
    this.#byId.set(id, row);
    this.#lastId = Math.max(this.#lastId, id);
    this.#sorted = null;
    return row;
  }
}

/** Compares label by label; a namespace comes before those below it. */
function compareLabels(a: readonly string[], b: readonly string[]): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    if (a[i] !== b[i]) return (a[i] as string) < (b[i] as string) ? -1 : 1;
  }
  return a.length - b.length;
}

function lowerBound(sorted: readonly NamespaceRow[], prefix: readonly string[]): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareLabels((sorted[middle] as NamespaceRow).labels, prefix) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function matches(condition: MatchCondition, labels: readonly string[]): boolean {
  const { matchType, path } = condition;
  if (path.length > labels.length) return false;
  const from = matchType === "prefix" ? 0 : labels.length - path.length;
  return path.every((label, i) => label === "*" || label === labels[from + i]);
}
