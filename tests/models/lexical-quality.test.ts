/** Evidence recall of the lexical vectors on LoCoMo turns; a floor well below the measured figure. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { LexicalEmbeddings } from "../../src/models/lexical-embeddings.js";

const FILE =
  process.env.AGEMEM_LOCOMO ?? new URL("../../../shared/data/locomo_conv1-5.json", import.meta.url);

interface Turn {
  speaker: string;
  dia_id: string;
  text: string;
}
interface Conversation {
  conversation: Record<string, unknown>;
  qa: { question: string; category: number; evidence?: string[] }[];
}

const ADVERSARIAL = 5;

function turnsOf({ conversation }: Conversation): Turn[] {
  return Object.entries(conversation)
    .filter(([key]) => /^session_\d+$/.test(key))
    .flatMap(([, turns]) => turns as Turn[]);
}

/** Mean share of a question's evidence turns among the ten nearest turns of its conversation. */
async function recallAt10(conversations: Conversation[], embeddings: LexicalEmbeddings) {
  let sum = 0;
  let questions = 0;
  for (const conversation of conversations) {
    const turns = turnsOf(conversation);
    const known = new Set(turns.map((turn) => turn.dia_id));
    const vectors = await embeddings.embedDocuments(turns.map((turn) => `${turn.speaker}: ${turn.text}`));
    for (const { question, category, evidence = [] } of conversation.qa) {
      const wanted = new Set(
        evidence.flatMap((text) => text.match(/D\d+:\d+/g) ?? []).filter((id) => known.has(id)),
      );
      if (category === ADVERSARIAL || wanted.size === 0) continue;
      const query = await embeddings.embedQuery(question);
      const scored = vectors.map((vector, i) => ({
        id: turns[i]!.dia_id,
        score: vector.reduce((total, x, d) => total + x * query[d]!, 0),
      }));
      const top = scored.sort((a, b) => b.score - a.score).slice(0, 10);
      sum += top.filter(({ id }) => wanted.has(id)).length / wanted.size;
      questions++;
    }
  }
  return { recall: sum / questions, questions };
}

describe.skipIf(!existsSync(FILE))("recall on LoCoMo (skipped when the file is not there)", () => {
  it.each([
    [512, 0.48],
    [1024, 0.5],
  ])("%d dimensions: recall@10 of at least %d", async (dims, floor) => {
    const conversations = JSON.parse(readFileSync(FILE, "utf8")) as Conversation[];
    const { recall, questions } = await recallAt10(conversations, new LexicalEmbeddings({ dims }));
    console.info(`lexical-${dims}: evidence recall@10 ${recall.toFixed(3)} over ${questions} questions`);
    expect(recall).toBeGreaterThan(floor);
  });
});
