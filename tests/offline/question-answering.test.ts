import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { answersFrom } from "../../src/offline/answers/question-answering.js";
import { type AnswerKind, readQuestion } from "../../src/offline/answers/question-kind.js";
import { words } from "../../src/text/words.js";

const KINDS: [string, AnswerKind][] = [
  ["Who directed the film?", "person"],
  ["Where was she born?", "place"],
  ["When was the company founded?", "date"],
  ["In what year was it released?", "year"],
  ["How many members did it have?", "number"],
  ["Which city is it based in?", "place"],
  ["Are A and B both airports?", "yesno"],
  ["Who is the oldest, Sid Haig or Vic Darchinyan?", "choice"],
  ["What instrument did she play?", "thing"],
];

describe("reading a question", () => {
  it.each(KINDS)("%s -> %s", (question, kind) => {
    expect(readQuestion(question).kind).toBe(kind);
  });

  it("finds the options of a choice", () => {
    expect(readQuestion("Which magazine was published first, Guitar World or Science News?").options).toEqual(
      ["Guitar World", "Science News"],
    );
  });
});

describe("answers from texts", () => {
  it("takes the earlier year for 'first'", () => {
    const texts = ["Guitar World: It was founded in 1980.", "Science News: It has appeared since 1922."];
    expect(answersFrom("Which was published first, Guitar World or Science News?", texts)[0]?.text).toBe(
      "Science News",
    );
  });

  it("never answers with a name of the question", () => {
    const texts = ["Toad Hall: Toad Hall is a residence in Canberra, Australia."];
    const answers = answersFrom("In which city is Toad Hall?", texts).map((answer) => answer.text);
    expect(answers[0]).toBe("Canberra");
    expect(answers).not.toContain("Toad Hall");
  });

  it("has none without texts", () => {
    expect(answersFrom("Who founded Rome?", [])).toEqual([]);
  });
});

interface Row {
  question: string;
  answer: string;
  supporting_facts: [string, number][];
  context: [string, string[]][];
}

const FILE = new URL("../../../shared/data/hotpotqa_train_100.json", import.meta.url);

describe.skipIf(!existsSync(FILE))("real questions with the gold paragraphs as memories", () => {
  it("mean F1 is clearly above zero", { timeout: 60_000 }, () => {
    const rows = JSON.parse(readFileSync(FILE, "utf8")) as Row[];
    const scores = rows.map((row) => {
      const gold = new Set(row.supporting_facts.map(([title]) => title));
      const texts = row.context
        .filter(([title]) => gold.has(title))
        .map(([title, sentences]) => `${title}: ${sentences.join("").replace(/\s+/g, " ")}`);
      return f1(answersFrom(row.question, texts)[0]?.text ?? "", row.answer);
    });
    expect(scores.reduce((sum, score) => sum + score, 0) / scores.length).toBeGreaterThan(0.3);
  });
});

function f1(predicted: string, expected: string): number {
  const plain = (text: string) => words(text).filter((word) => !["a", "an", "the"].includes(word));
  const left = plain(predicted);
  const rest = plain(expected);
  const total = left.length + rest.length;
  let common = 0;
  for (const word of left) {
    const at = rest.indexOf(word);
    if (at < 0) continue;
    rest.splice(at, 1);
    common++;
  }
  return total === 0 ? 0 : (2 * common) / total;
}
