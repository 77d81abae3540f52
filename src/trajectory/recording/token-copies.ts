/**
 * A list of token ids told by copies of another: `[[offset, length], id, id, …]`, copies and new ids in order.
 *
 * Prompts of following steps agree in long pieces and not only at the beginning: the system prompt tells how full the context
 * is, and a summary or a filter takes messages out of the middle. Owns finding the pieces and putting them back. Pure.
 */

/** Shortest piece worth a copy. */
const LEAST = 16;

type Packed = (number | [offset: number, length: number])[];

/** Tells `ids` by copies of `base`. Time is linear in both lengths but for ids that repeat one pattern. */
export function packTokens(base: readonly number[], ids: readonly number[]): Packed {
  const places = new Map<string, number>();
  // The first place of a piece wins; pieces of the base begin at every multiple of half of their length.
  for (let at = 0; at + LEAST <= base.length; at += LEAST / 2) {
    const key = keyOf(base, at);
    if (!places.has(key)) places.set(key, at);
  }
  const packed: Packed = [];
  let literal = 0;
  for (let at = 0; at < ids.length; ) {
    const found = places.get(keyOf(ids, at));
    if (found === undefined) {
      at++;
      continue;
    }
    // The piece may have begun before: what was new so far may be a part of it.
    let back = 0;
    while (at - back > literal && found - back > 0 && base[found - back - 1] === ids[at - back - 1]) back++;
    let length = LEAST;
    while (found + length < base.length && base[found + length] === ids[at + length]) length++;
    for (const id of ids.slice(literal, at - back)) packed.push(id);
    packed.push([found - back, back + length]);
    at += length;
    literal = at;
  }
  for (const id of ids.slice(literal)) packed.push(id);
  return packed;
}

/** The ids again. @throws RangeError for a copy of what the base does not have */
export function copyTokens(base: readonly number[], packed: readonly unknown[]): unknown[] {
  const ids: unknown[] = [];
  for (const each of packed) {
    if (!Array.isArray(each)) {
      ids.push(each);
      continue;
    }
    const [offset, length] = each as [number, number];
    const fits = Number.isInteger(offset) && Number.isInteger(length) && offset >= 0 && length > 0;
    if (!fits || offset + length > base.length) {
      throw new RangeError(`the ${base.length} token ids before this line have no piece [${each}]`);
    }
    for (let i = offset; i < offset + length; i++) ids.push(base[i]);
  }
  return ids;
}

function keyOf(ids: readonly number[], at: number): string {
  return ids.slice(at, at + LEAST).join(" ");
}
