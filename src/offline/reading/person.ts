/**
 * Grammatical person: "I'm allergic" told by a user becomes "User is allergic" as a memory and "You are allergic" in
 * a reply. English only, by word lists. Pure.
 */

const LEAD_INS =
  /^(?:(?:oh|hi|hey|hello|well|so|and|but|also|anyway|actually|by the way|btw|just so you know|fyi|just to say|ok|okay|yes|no|yeah|sorry|sadly|unfortunately|luckily|thanks|thank you|one more thing|another thing|correction|wait|hmm|ps|p\.s\.|please|remember that|please remember that|remember|note that|keep in mind that|for the record|small update|update|good news|bad news|heads up|small thing|quick update|don't forget that|i mean)\b[\s,:;.!–—-]*)+/i;

/** Removes "By the way," and the like from the start of a sentence. */
export function stripLeadIn(sentence: string): string {
  const stripped = sentence.replace(LEAD_INS, "").trim();
  return stripped || sentence.trim();
}

const AUXILIARIES: Record<string, string> = {
  am: "is",
  are: "is",
  was: "was",
  were: "was",
  have: "has",
  do: "does",
  "don't": "doesn't",
  "haven't": "hasn't",
  "can't": "can't",
  go: "goes",
};
const SAME_FORM = new Set(
  "can could should would will must may might cannot won't wouldn't couldn't shouldn't didn't hadn't wasn't did had went bought got took made said told found met left saw came ran ate lost won began gave knew thought felt kept used put set quit read cut hurt let grew became broke chose drove fell flew forgot heard held led paid rode sold sent slept spoke spent stood swam taught threw wore wrote sang built caught understood never".split(
    " ",
  ),
);
const ADVERBS =
  "no longer|really|also|still|now|always|never|usually|just|mostly|often|only|actually|absolutely|currently|recently|finally|sometimes|rarely|definitely|already|totally|both";

/** Third person singular of a verb that followed "I"; past forms and modals stay. */
export function inflectVerb(verb: string): string {
  const lower = verb.toLowerCase().replace("’", "'");
  const auxiliary = AUXILIARIES[lower];
  if (auxiliary) return auxiliary;
  if (SAME_FORM.has(lower) || (/[^e]ed$/.test(lower) && !/^(?:n|f|s|br)eed$/.test(lower))) return verb;
  if (/(?:s|sh|ch|x|z|o)$/.test(lower)) return `${verb}es`;
  if (/[^aeiou]y$/.test(lower)) return `${verb.slice(0, -1)}ies`;
  return `${verb}s`;
}

const BASE_FORMS: Record<string, string> = {
  is: "are",
  was: "were",
  has: "have",
  does: "do",
  "doesn't": "don't",
  "hasn't": "haven't",
  goes: "go",
};

function baseVerb(verb: string): string {
  const known = BASE_FORMS[verb];
  if (known) return known;
  if (SAME_FORM.has(verb) || !/[^s]s$/.test(verb)) return verb;
  if (/ies$/.test(verb) && verb.length > 4) return `${verb.slice(0, -3)}y`;
  if (/(?:ss|sh|ch|x|zz)es$/.test(verb)) return verb.slice(0, -2);
  return verb.slice(0, -1);
}

/** A first-person sentence as a statement about "User". Text without first person is returned as it is. */
export function toThirdPerson(sentence: string): string {
  let named = false;
  const subject = (): string => {
    const word = named ? "they" : "User";
    named = true;
    return word;
  };
  const possessive = (): string => {
    const word = named ? "their" : "User's";
    named = true;
    return word;
  };
  const pattern = new RegExp(
    `\\b(?:(i['’]m|i am)|(i['’]ve)|(i['’]ll)|(i['’]d)|i((?:\\s+(?:${ADVERBS}|\\w+ly))*)\\s+([a-z'’]+)|(i)|(my|our)|(me|us|myself|mine|ours)|(we['’]re)|(we['’]ve)|(we['’]ll)|(we))\\b`,
    "gi",
  );
  const out = stripLeadIn(sentence).replace(
    pattern,
    (all, im, ive, ill, id, adverbs, verb, i, my, me, were, weve, well, we) => {
      if (im || were) return named ? `${subject()} are` : `${subject()} is`;
      if (ive || weve) return named ? `${subject()} have` : `${subject()} has`;
      if (ill || well) return `${subject()} will`;
      if (id) return `${subject()} would`;
      if (verb) {
        const they = named;
        return `${subject()}${adverbs ?? ""} ${they ? verb.replace(/^(?:am)$/, "are") : inflectVerb(verb)}`;
      }
      if (i || we) return subject();
      if (my) return possessive();
      if (me) return named ? "them" : subject();
      return all;
    },
  );
  return out.charAt(0).toUpperCase() + out.slice(1);
}

/** "Your flight leaves at 9" (a text addressed to the user) as a statement about "User". */
export function addressedToThirdPerson(sentence: string): string {
  const out = sentence
    .replace(/\byour\b/gi, "User's")
    .replace(/\byou(?:['’]re| are)\b/gi, "User is")
    .replace(/\byou(?:['’]ll| will)\b/gi, "User will")
    .replace(/\byou\b/gi, "User");
  return out.charAt(0).toUpperCase() + out.slice(1);
}

/** A memory about "User" (or the user's own sentence) as told to the user. */
export function toSecondPerson(text: string): string {
  const third = /\bUser\b/.test(text) ? text : toThirdPerson(text);
  if (!/\bUser\b/.test(third)) return third;
  const verbAfter = new RegExp(`\\bUser((?:\\s+(?:${ADVERBS}|\\w+ly))*)\\s+([a-z'’]+)\\b`, "g");
  const out = third
    .replace(/\bUser's\b/g, "your")
    .replace(verbAfter, (_, adverbs: string, verb: string) => `you${adverbs} ${baseVerb(verb)}`)
    .replace(/\bUser\b/g, "you")
    .replace(/\bthey\b/g, "you")
    .replace(/\btheir\b/g, "your")
    .replace(/\bthem\b/g, "you");
  return out.charAt(0).toUpperCase() + out.slice(1);
}
