/**
 * Pairs of texts that are known to match or not: statements for the duplicate threshold, passages for FILTER's theta.
 *
 * Owns which pairs are made. Leaves out how they are scored: the embedding is passed in as a function, and passages are
 * scored by FILTER's own code. Pure, apart from that function.
 */
import { type Embed, scoreUnits } from "../../context/edits/filter-scores.js";
import { splitSentences } from "../../text/text.js";
import type { MemoryTask, Passage } from "../../types.js";
import { PEOPLE, STATEMENTS, type StatementForm } from "./statements.js";
import type { ScoredPair } from "./threshold.js";

/** Two texts, and whether they say the same. */
interface TextPair {
  a: string;
  b: string;
  match: boolean;
  group: string;
}

/**
 * Matching pairs state the same fact in other words. The others state another value (in the same or other words),
 * another person or another kind of fact. Differences in case or punctuation are not included: ADD sees those without
 * an embedding.
 */
export function statementPairs(): TextPair[] {
  return STATEMENTS.flatMap((kind, k) => {
    const next = STATEMENTS[(k + 1) % STATEMENTS.length] as StatementForm;
    return PEOPLE.flatMap((who, p) =>
      kind.values.flatMap((value, v) => pairsOf(kind, next, { who, value, p, v })),
    );
  });
}

function pairsOf(
  kind: StatementForm,
  next: StatementForm,
  { who, value, p, v }: { who: string; value: string; p: number; v: number },
): TextPair[] {
  const [plain, other, third] = kind.wordings as [Wording, Wording, Wording];
  const group = kind.name;
  const a = plain(who, value);
  const pair = (b: string, match: boolean): TextPair => ({ a, b, match, group });
  const anotherValue = kind.values[(v + 1) % kind.values.length] as string;
  const anotherPerson = PEOPLE[(p + 1) % PEOPLE.length] as string;
  return [
    pair(other(who, value), true),
    pair(third(who, value), true),
    pair(plain(who, anotherValue), false),
    pair(other(who, anotherValue), false),
    pair(plain(anotherPerson, value), false),
    pair((next.wordings[0] as Wording)(who, next.values[0] as string), false),
  ];
}

type Wording = StatementForm["wordings"][number];

/** Scores text pairs. Equal texts are embedded once. */
export async function scorePairs(pairs: readonly TextPair[], embed: Embed): Promise<ScoredPair[]> {
  const byFirst = new Map<string, TextPair[]>();
  for (const pair of pairs) byFirst.set(pair.a, [...(byFirst.get(pair.a) ?? []), pair]);
  const vectorOf = await embedOnce([...new Set(pairs.flatMap(({ a, b }) => [a, b]))], embed);
  const scored: ScoredPair[] = [];
  for (const [a, own] of byFirst) {
    const scores = await scoreUnits(
      own.map(({ b }) => ({ text: b })),
      a,
      vectorOf,
    );
    for (const [i, { match, group }] of own.entries())
      scored.push({ score: scores[i] as number, match, group });
  }
  return scored;
}

/** Texts per call of the embedding. */
const BATCH = 256;

async function embedOnce(texts: readonly string[], embed: Embed): Promise<Embed> {
  const known = new Map<string, number[]>();
  for (let i = 0; i < texts.length; i += BATCH) {
    const batch = texts.slice(i, i + BATCH);
    const vectors = await embed(batch);
    for (const [j, text] of batch.entries()) known.set(text, vectors[j] as number[]);
  }
  return async (wanted) => {
    const missing = wanted.filter((text) => !known.has(text));
    const vectors = missing.length > 0 ? await embed(missing) : [];
    for (const [i, text] of missing.entries()) known.set(text, vectors[i] as number[]);
    return wanted.map((text) => known.get(text) as number[]);
  };
}

/**
 * For each passage of a task, a request to remove it, scored against all passages of the task as FILTER scores
 * messages: that passage should go, the others should stay.
 *
 * @example
 * const pairs = await passagePairs(tasks, (texts) => embeddings.embedDocuments(texts));
 */
export async function passagePairs(tasks: readonly MemoryTask[], embed: Embed): Promise<ScoredPair[]> {
  const scored: ScoredPair[] = [];
  for (const { id, context, distractors } of tasks) {
    const passages = [...context, ...distractors];
    const vectorOf = await embedOnce([...new Set(passages.map(({ text }) => text))], embed);
    for (const passage of passages) {
      const scores = await scoreUnits(passages, criteriaFor(passage), vectorOf);
      for (const [i, of] of passages.entries()) {
        scored.push({ score: scores[i] as number, match: of === passage, group: id });
      }
    }
  }
  return scored;
}

/** Criteria as the tool asks for them: what the text is about, and its first sentence. */
function criteriaFor({ title, text }: Passage): string {
  return `text about ${title}: ${splitSentences(text)[0] ?? ""}`;
}
