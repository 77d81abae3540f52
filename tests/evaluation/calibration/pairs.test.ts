import { describe, expect, it } from "vitest";
import { passagePairs, scorePairs, statementPairs } from "../../../src/evaluation/calibration/pairs.js";
import { LexicalEmbeddings } from "../../../src/models/lexical-embeddings.js";

const embeddings = new LexicalEmbeddings();
const embed = (texts: string[]) => embeddings.embedDocuments(texts);

describe("statementPairs", () => {
  it("has two wordings of each fact and four things that are not it", () => {
    const pairs = statementPairs();
    expect(pairs).toHaveLength(10 * 3 * 4 * 6);
    expect(pairs.filter(({ match }) => match)).toHaveLength(10 * 3 * 4 * 2);
    expect(pairs.filter(({ a, b }) => a === b)).toEqual([]);
    expect(new Set(pairs.map(({ group }) => group)).size).toBe(10);
  });

  it("is scored by cosine similarity, each text embedded once", async () => {
    const asked: string[] = [];
    const pairs = statementPairs().slice(0, 12);
    const scored = await scorePairs(pairs, (texts) => {
      asked.push(...texts);
      return embed(texts);
    });
    expect(asked).toHaveLength(new Set(asked).size);
    expect(scored.map(({ match }) => match)).toEqual(pairs.map(({ match }) => match));
    const [a, b] = (await embed([pairs[0]?.a ?? "", pairs[0]?.b ?? ""])) as [number[], number[]];
    const cosine = a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0) / (Math.hypot(...a) * Math.hypot(...b));
    expect(scored[0]?.score).toBeCloseTo(cosine, 6);
  });
});

describe("passagePairs", () => {
  it("asks for each passage and expects it alone to go", async () => {
    const task = {
      id: "t",
      question: "",
      answer: "",
      goldFacts: [],
      metadata: {},
      context: [{ title: "Port wine", text: "Port wine is sweet. It comes from the Douro." }],
      distractors: [{ title: "Chess clock", text: "A chess clock has two faces." }],
    };
    const pairs = await passagePairs([task], embed);
    expect(pairs.map(({ match, group }) => [match, group])).toEqual([
      [true, "t"],
      [false, "t"],
      [false, "t"],
      [true, "t"],
    ]);
    expect(pairs[0]?.score).toBeGreaterThan(pairs[1]?.score ?? 1);
  });
});
