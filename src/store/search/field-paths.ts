/**
 * Index paths: which texts of a value are embedded and indexed for keyword search. Pure.
 *
 * The syntax is LangGraph's: `$` (the whole value as JSON), `a.b`, `a[*].c`, `a[0]`, `a[-1]`, `*`, `{a,b.c}`.
 */
import { LRUCache } from "lru-cache";

/** One text of a value, and the path it came from. */
interface FieldText {
  path: string;
  text: string;
}

type Step =
  | { kind: "field"; name: string }
  | { kind: "index"; at: number }
  | { kind: "each"; arraysOnly: boolean }
  | { kind: "any"; paths: Step[][] };

const cache = new LRUCache<string, Step[]>({ max: 1000 });

/**
 * The non-empty texts at several paths, in order.
 *
 * @example
 * textsAt({ tags: ["a", "b"] }, ["tags[*]"]); // [{ path: "tags[*].0", text: "a" }, { path: "tags[*].1", text: "b" }]
 */
export function textsAt(value: Record<string, unknown>, paths: readonly string[]): FieldText[] {
  const out: FieldText[] = [];
  for (const path of paths) {
    const texts = textsAtPath(value, path).filter((text) => text !== "");
    texts.forEach((text, i) => {
      out.push({ path: texts.length > 1 ? `${path}.${i}` : path, text });
    });
  }
  return out;
}

/** All leaf texts of a value, without field names and punctuation, for keyword search over `$`. */
export function leafTexts(value: unknown): string[] {
  const texts: string[] = [];
  // A list instead of recursion, because a value may be nested deeper than the stack allows.
  const left = [value];
  while (left.length > 0) {
    const next = left.pop();
    if (next === null || next === undefined) continue;
    if (typeof next !== "object") texts.push(String(next));
    else for (const inner of Object.values(next).reverse()) left.push(inner);
  }
  return texts;
}

function textsAtPath(value: Record<string, unknown>, path: string): string[] {
  if (path === "" || path === "$") return [toText(value)];
  let steps = cache.get(path);
  if (!steps) {
    steps = parsePath(path);
    cache.set(path, steps);
  }
  return follow(value, steps, 0).map(toText);
}

function toText(found: unknown): string {
  return typeof found === "object" ? JSON.stringify(found, null, 2) : String(found);
}

function follow(value: unknown, steps: readonly Step[], at: number): unknown[] {
  const step = steps[at];
  if (!step) return value === null || value === undefined ? [] : [value];
  if (typeof value !== "object" || value === null) return [];
  switch (step.kind) {
    case "any":
      return step.paths.flatMap((path) => follow(value, [...path, ...steps.slice(at + 1)], 0));
    case "each":
      if (step.arraysOnly && !Array.isArray(value)) return [];
      return Object.values(value).flatMap((inner) => follow(inner, steps, at + 1));
    case "index": {
      if (!Array.isArray(value)) return [];
      return follow(value.at(step.at), steps, at + 1);
    }
    default:
      if (!Object.hasOwn(value, step.name)) return [];
      return follow((value as Record<string, unknown>)[step.name], steps, at + 1);
  }
}

/** Splits a path at dots, keeping `{…}` and `[…]` whole and skipping unclosed brackets. In one pass. */
function tokensOf(path: string): string[] {
  const tokens: string[] = [];
  const last = { "{": path.lastIndexOf("}"), "[": path.lastIndexOf("]") };
  for (let at = 0; at < path.length; ) {
    const char = path.charAt(at);
    if (char === "{" || char === "[") {
      const close = at < last[char] ? path.indexOf(char === "{" ? "}" : "]", at) : at - 1;
      if (close > at) tokens.push(path.slice(at, close + 1));
      at = Math.max(at, close) + 1;
    } else if (char === ".") {
      at++;
    } else {
      const start = at;
      while (at < path.length && !".[{".includes(path.charAt(at))) at++;
      tokens.push(path.slice(start, at));
    }
  }
  return tokens;
}

function parsePath(path: string): Step[] {
  const steps: Step[] = [];
  for (const token of tokensOf(path)) {
    if (token.startsWith("{")) {
      steps.push({
        kind: "any",
        paths: token
          .slice(1, -1)
          .split(",")
          .map((part) => parsePath(part.trim())),
      });
    } else if (token === "*" || token === "[*]") {
      steps.push({ kind: "each", arraysOnly: token === "[*]" });
    } else if (token.startsWith("[")) {
      const at = Number.parseInt(token.slice(1, -1), 10);
      steps.push(Number.isNaN(at) ? { kind: "field", name: token.slice(1, -1) } : { kind: "index", at });
    } else if (token !== "$" || steps.length > 0) {
      steps.push({ kind: "field", name: token });
    }
  }
  return steps;
}
