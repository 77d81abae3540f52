/**
 * Encodes a list of token ids as copies from another list and new ids, in order: `[[offset, length], id, id, …]`.
 *
 * The prompts of consecutive steps share long pieces, and not only at the beginning: the system prompt says how full
 * the context is, and a summary or filter removes messages from the middle. Owns finding the pieces and restoring the
 * list. Pure.
 */

/** Shortest piece worth copying. */
const LEAST = 16;

type Packed = (number | [offset: number, length: number])[];

/** Encodes `ids` with copies from `base`. Time is linear in both lengths, except for ids that repeat a pattern. */
export function packTokens(base: readonly number[], ids: readonly number[]): Packed {
  const places = placesOf(base);
  const packed: Packed = [];
  let literal = 0;
  for (let at = 0; at < ids.length; ) {
    const found = at + LEAST <= ids.length ? places.get(keyOf(ids, at)) : undefined;
    if (found === undefined || !samePiece(base, found, ids, at)) {
      at++;
      continue;
    }
    // The piece may begin earlier, within ids so far taken for new.
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

/** Restores the ids. @throws RangeError for a copy from outside the base */
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

/** Where pieces of the base begin, by key: every multiple of half their length. The first place of equal keys wins. */
function placesOf(base: readonly number[]): Map<number, number> {
  const places = new Map<number, number>();
  for (let at = 0; at + LEAST <= base.length; at += LEAST / 2) {
    const key = keyOf(base, at);
    if (!places.has(key)) places.set(key, at);
  }
  return places;
}

/** A hash of a piece, not its text: prompts have ten thousands of pieces, and joining them took a tenth of a rollout's time. */
function keyOf(ids: readonly number[], at: number): number {
  let key = 0;
  for (let i = at; i < at + LEAST; i++) key = Math.imul(key ^ (ids[i] as number), 0x9e3779b1) ^ (key >>> 15);
  return key;
}

/** Whether the piece of the base is the one at this place: different pieces can have equal keys. */
function samePiece(base: readonly number[], from: number, ids: readonly number[], at: number): boolean {
  for (let i = 0; i < LEAST; i++) if (base[from + i] !== ids[at + i]) return false;
  return true;
}
