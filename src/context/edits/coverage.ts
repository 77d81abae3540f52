/** Which places of a thread a summary stands for, as ranges that stay short however long the thread is. Pure. */
import type { MessageFact } from "../../types.js";

/** Places from..to; both ends included. Between integers every integer is meant. */
export type Ranges = [number, number][];

/** Places a message stands for: its own, or all behind a summary made by an edit. */
export function coverageOf(fact: MessageFact): Ranges {
  return fact.covers ?? (fact.position === undefined ? [] : [[fact.position, fact.position]]);
}

/** The union, sorted, with neighboring integers joined; fractional places stay ranges of their own. */
export function mergeRanges(ranges: Ranges): Ranges {
  const out: Ranges = [];
  const places = new Map<number, [number, number]>();
  for (const [from, to] of ranges.toSorted((a, b) => a[0] - b[0] || a[1] - b[1])) {
    const last = out.at(-1);
    if (!Number.isInteger(from)) places.set(from, [from, to]);
    else if (last && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else out.push([from, to]);
  }
  return [...out, ...places.values()].sort((a, b) => a[0] - b[0]);
}

/** Whether every place of `inner` is in `outer`. Both as {@link mergeRanges} gives them. */
export function isWithin(inner: Ranges, outer: Ranges): boolean {
  return inner.every(([from, to]) =>
    outer.some(([a, b]) => a <= from && to <= b && (from !== to || holds(a, b, from))),
  );
}

/** A fractional place lies in a range only when it is the range. */
function holds(from: number, to: number, place: number): boolean {
  return Number.isInteger(place) || (from === place && to === place);
}
