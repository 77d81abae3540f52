/** Which places of a thread a summary covers, as ranges, so that the record stays short in a long thread. Pure. */
import type { MessageFact } from "../../types.js";

/** Places from..to, both included. A range between integers covers the integers only. */
export type Ranges = [number, number][];

/** The places a message covers: its own, or all those a summary replaced. */
export function coverageOf(fact: MessageFact): Ranges {
  return fact.covers ?? (fact.position === undefined ? [] : [[fact.position, fact.position]]);
}

/** The sorted union. Neighboring integers are joined; each fractional place stays a range of its own. */
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

/** Whether `outer` covers every place of `inner`. Both as {@link mergeRanges} returns them. */
export function isWithin(inner: Ranges, outer: Ranges): boolean {
  return inner.every(([from, to]) =>
    outer.some(([a, b]) => a <= from && to <= b && (from !== to || holds(a, b, from))),
  );
}

/** A fractional place is covered only by a range of exactly this place. */
function holds(from: number, to: number, place: number): boolean {
  return Number.isInteger(place) || (from === place && to === place);
}
