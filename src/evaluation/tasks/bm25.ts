/** BM25 over a small collection of texts: ranks them by similarity to a query. Pure. */
import { factStems } from "../../rewards/judges/offline.js";
import { inverseFrequency, termWeight } from "../../text/bm25.js";

const SETTINGS = { k1: 1.2, b: 0.75 };

/** A ranked text: its position in the collection, and its score. */
export interface RankedText {
  index: number;
  score: number;
}

/** An index over word stems without stop words. A stem counts once per text. */
export class Bm25 {
  private readonly postings = new Map<string, number[]>();
  private readonly lengths: number[] = [];

  /** @example new Bm25(["a fortified wine", "a red car"]).search("sweet wine")[0]?.index; // 0 */
  constructor(texts: readonly string[]) {
    for (const [index, text] of texts.entries()) {
      const stems = factStems(text);
      this.lengths.push(stems.size);
      for (const stem of stems) {
        const list = this.postings.get(stem);
        if (list) list.push(index);
        else this.postings.set(stem, [index]);
      }
    }
  }

  /** Texts that share a word with the query, best first; equal ones in the order of the collection. */
  search(query: string): RankedText[] {
    const count = this.lengths.length;
    const mean = this.lengths.reduce((a, b) => a + b, 0) / Math.max(1, count);
    const scores = new Map<number, number>();
    for (const stem of factStems(query)) {
      const list = this.postings.get(stem) ?? [];
      const idf = inverseFrequency(count, list.length);
      for (const index of list) {
        const weight = idf * termWeight(1, this.lengths[index] ?? 0, mean, SETTINGS);
        scores.set(index, (scores.get(index) ?? 0) + weight);
      }
    }
    return [...scores]
      .map(([index, score]) => ({ index, score }))
      .sort((a, b) => b.score - a.score || a.index - b.index);
  }
}
