/**
 * Things that a text names ("a grey key 1", "the door"), and forms of actions filled with them. Pure.
 */

const DETERMINERS = new Set(["a", "an", "the", "some"]);
/** Words after which a name has ended. */
const ENDS = new Set(
  "is are was were in on at with that which who from to of and or called containing right left you it there then into your by as for has have under near".split(
    " ",
  ),
);
const MAX_WORDS = 4;
/** Slots in the forms of actions: "open X", "move OBJ to OBJ". */
const SLOT = /\b(?:X|Y|Z|OBJ|LOC)\b/g;

/** Names of things in a text, each once, in order. */
export function thingsIn(text: string): string[] {
  const out = new Set<string>();
  for (const part of text.split(/[.,;:()\n]/)) {
    const all = part.trim().split(/\s+/);
    for (const [at, word] of all.entries()) {
      if (!DETERMINERS.has(word.toLowerCase())) continue;
      const name = nameFrom(all.slice(at + 1, at + 2 + MAX_WORDS));
      if (name) out.add(name);
    }
  }
  return [...out];
}

/** The words up to one that ends a name; a number belongs to it and ends it. */
function nameFrom(following: readonly string[]): string {
  const name: string[] = [];
  for (const word of following) {
    if (name.length > 0 && /^\d+$/.test(word)) return [...name, word].join(" ");
    if (ENDS.has(word.toLowerCase()) || !/^[\p{L}\d][\p{L}\d'-]*$/u.test(word) || name.length === MAX_WORDS)
      break;
    name.push(word);
  }
  return name.join(" ");
}

/** Whether a form still has slots. */
export function hasSlot(form: string): boolean {
  return form.search(SLOT) >= 0;
}

/**
 * A form with its slots filled: the first with one of `first`, every further one with another of `others`.
 *
 * @returns at most `limit` actions
 */
export function filled(
  form: string,
  { first, others, limit }: { first: readonly string[]; others: readonly string[]; limit: number },
): string[] {
  const slots = form.match(SLOT)?.length ?? 0;
  if (slots === 0) return [form];
  if (slots > 2) return [];
  const out: string[] = [];
  for (const one of first) {
    const seconds = slots === 1 ? [""] : others.filter((other) => other !== one);
    for (const two of seconds) {
      if (out.length >= limit) return out;
      let next = 0;
      out.push(form.replace(SLOT, () => (next++ === 0 ? one : two)));
    }
  }
  return out;
}
