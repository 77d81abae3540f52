import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LexicalEmbeddings, lexicalSimilarity } from "../../src/models/lexical-embeddings.js";

const dot = (a: number[], b: number[]) => a.reduce((sum, x, i) => sum + x * (b[i] as number), 0);

async function best(embeddings: LexicalEmbeddings, query: string, texts: string[]): Promise<string> {
  const q = await embeddings.embedQuery(query);
  const vectors = await embeddings.embedDocuments(texts);
  const scores = vectors.map((v) => dot(q, v));
  return texts[scores.indexOf(Math.max(...scores))] as string;
}

describe.each([256, 384, 512, 1024])("LexicalEmbeddings with %d dimensions", (dims) => {
  const embeddings = new LexicalEmbeddings({ dims });

  it("gives finite float32 vectors of length 1 for any text", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary", maxLength: 60 }), async (text) => {
        const [stored] = await embeddings.embedDocuments([text]);
        for (const vector of [stored as number[], await embeddings.embedQuery(text)]) {
          expect(vector).toHaveLength(dims);
          expect(vector.every((x) => Number.isFinite(x) && Math.fround(x) === x)).toBe(true);
          expect(Math.abs(Math.sqrt(dot(vector, vector)) - 1)).toBeLessThan(1e-6);
        }
      }),
    );
  });

  it.each([
    ["Where does Ada live?", ["Ada lives in Oslo", "Bob likes tea", "The train leaves at nine"]],
    ["what are her allergys", ["Her allergies: peanuts", "Her garden is large", "He has a cat"]],
    ["restuarant in New York", ["A restaurant in New York", "York has a new minster", "A train to Bath"]],
    ["東京の天気", ["今日の東京は晴れです", "猫が好きです", "大阪に住んでいます"]],
    ["Где живёт Анна?", ["Анна живёт в Москве", "Борис любит чай", "Поезд уходит в девять"]],
  ])("finds the text for %s", async (query, texts) => {
    expect(await best(embeddings, query, texts)).toBe(texts[0]);
  });
});

describe("LexicalEmbeddings", () => {
  const embeddings = new LexicalEmbeddings();

  it("is named after dimensions and version", () => {
    expect(embeddings.name).toBe("lexical-512/2");
    expect(new LexicalEmbeddings({ dims: 256 }).name).toBe("lexical-256/2");
  });

  it("repeats itself over instances, and ignores case, accents and inflection", async () => {
    const other = new LexicalEmbeddings();
    const text = "Zoë's café in Malmö";
    expect(await other.embedQuery(text)).toEqual(await embeddings.embedQuery(text));
    expect(await embeddings.embedQuery("ZOE'S CAFE IN MALMO")).toEqual(await embeddings.embedQuery(text));
    const [a, b] = [await embeddings.embedQuery("hiking"), await embeddings.embedQuery("hikes")];
    expect(dot(a, b)).toBeGreaterThan(0.8);
  });

  it("tells texts of stop words or symbols apart, and shares one vector among empty ones", async () => {
    const query = (text: string) => embeddings.embedQuery(text);
    expect(await query("who are you")).not.toEqual(await query(""));
    expect(dot(await query("🎉"), await query("🐈"))).toBeLessThan(0.9);
    expect(await query(" \n\t")).toEqual(await query(""));
  });

  it("does not prefer the shortest text that shares a word with the question", async () => {
    const long = "Melanie painted a lake sunrise with bright colours last year and hung it in the hall";
    const texts = [`Melanie: ${long}`, "Melanie: Thanks!", "Thanks, Melanie!"];
    expect(await best(embeddings, "When did Melanie paint a sunrise?", texts)).toBe(texts[0]);
  });

  it("takes a long word as one feature, at once", async () => {
    const blob = "a".repeat(1_000_000);
    const [stored] = await embeddings.embedDocuments([blob]);
    expect(stored!.filter((x) => x !== 0).length).toBeLessThanOrEqual(2);
    expect(dot(stored!, await embeddings.embedQuery(blob))).toBeCloseTo(1, 6);
  });

  it("joins irregular forms", async () => {
    expect(lexicalSimilarity("bought", "buys")).toBeGreaterThan(0.2);
    expect(
      await best(embeddings, "What did Tom buy?", [
        "Tom bought a bike",
        "Tom sold a boat",
        "Tom has been to Bath",
      ]),
    ).toBe("Tom bought a bike");
  });

  it("gives questions and stored texts the same space: 1 for a text with itself, near 0 for strangers", async () => {
    const texts = ["tea", "Ada lives in Oslo", "The train leaves at nine from platform two"];
    const vectors = await embeddings.embedDocuments(texts);
    for (const [i, text] of texts.entries()) {
      expect(dot(await embeddings.embedQuery(text), vectors[i]!)).toBeCloseTo(1, 6);
    }
    expect(Math.abs(dot(vectors[0]!, vectors[1]!))).toBeLessThan(0.2);
    expect(Math.abs(dot(vectors[1]!, vectors[2]!))).toBeLessThan(0.2);
  });

  it.each([0, 63, 8193, 1.5, Number.NaN])("refuses %d dimensions", (dims) => {
    expect(() => new LexicalEmbeddings({ dims })).toThrow(RangeError);
  });
});

describe("lexicalSimilarity", () => {
  it("is 1 for the same words, 0 for none in common, symmetric between", () => {
    expect(lexicalSimilarity("Ada lives in Oslo", "ADA lives in Oslo!")).toBeCloseTo(1, 9);
    expect(lexicalSimilarity("Ada lives in Oslo", "Quick brown fox")).toBe(0);
    const edited = lexicalSimilarity("Ada lives in Oslo", "Ada lives in Bergen");
    expect(edited).toBeGreaterThan(0.3);
    expect(edited).toBeLessThan(0.8);
    expect(lexicalSimilarity("Ada lives in Bergen", "Ada lives in Oslo")).toBeCloseTo(edited, 12);
  });
});
