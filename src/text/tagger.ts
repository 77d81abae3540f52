/**
 * The tagger of English words, by compromise.
 *
 * Owns when it is loaded: with the first text to tag. It takes a quarter of a second and 30 MB, and most of what shares
 * an entry with the rules, such as reading recordings, tags nothing. `require` reads the package's single bundled file,
 * where `import` would read 436 modules. Leaves out what is looked for in a tagged text: `rewards/key-items.ts`,
 * `offline/answers/answer-spans.ts`.
 */
import { createRequire } from "node:module";
import type compromise from "compromise";

let loaded: typeof compromise | undefined;

/** The text as compromise sees it: words with their parts of speech, names, places, dates. */
export function tag(text: string): ReturnType<typeof compromise> {
  loaded ??= createRequire(import.meta.url)("compromise") as typeof compromise;
  return loaded(text);
}
