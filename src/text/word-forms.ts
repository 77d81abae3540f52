/** Irregular English forms that stemmers do not unite, and a few everyday synonyms. Pure data. */

const FORMS = `go went gone|buy bought|bring brought|think thought|teach taught|catch caught|fight fought|seek sought
feel felt|keep kept|leave left|meet met|lose lost|sell sold|tell told|say said|hear heard|hold held|find found
stand stood|understand understood|win won|run ran|begin began begun|drink drank drunk|sing sang sung|swim swam swum
ring rang rung|sit sat|eat ate eaten|give gave given|take took taken|make made|write wrote written|drive drove driven
ride rode ridden|rise rose risen|speak spoke spoken|break broke broken|choose chose chosen|wake woke woken
wear wore worn|tear tore torn|grow grew grown|know knew known|throw threw thrown|fly flew flown|draw drew drawn
see saw seen|show shown|fall fell fallen|build built|send sent|spend spent|lend lent|pay paid|sleep slept
dream dreamt|learn learnt|mean meant|deal dealt|lead led|feed fed|hide hid hidden|bite bit bitten
forget forgot forgotten|get got gotten|become became|come came|shoot shot|light lit|stick stuck|strike struck
dig dug|hang hung|shine shone|sink sank sunk|steal stole stolen|freeze froze frozen|forgive forgave forgiven
blow blew blown|bear bore borne|swear swore sworn|bend bent|bind bound|sweep swept|weep wept
child children kid kids|man men|woman women|foot feet|tooth teeth|mouse mice|goose geese|wife wives
knife knives|half halves|shelf shelves|wolf wolves|person people|mother mom moms mum mums|father dad dads`;

const BASE = new Map<string, string>();
for (const group of FORMS.split(/[|\n]/)) {
  const [base = "", ...forms] = group.split(" ");
  for (const form of forms) BASE.set(form, base);
}

/**
 * The base of an irregular form, or the word itself. Expects and returns lower case.
 *
 * @example
 * baseForm("bought"); // "buy"
 */
export function baseForm(word: string): string {
  return BASE.get(word) ?? word;
}
