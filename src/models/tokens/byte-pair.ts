/**
 * Counts byte-pair tokens with the rank tables of `js-tiktoken`.
 *
 * Owns decoding a rank file and merging a piece of text in O(n log n). `js-tiktoken` itself merges in quadratic time or
 * worse (100,000 equal letters take minutes) and refuses text such as "<|endoftext|>"; here all text is ordinary text,
 * as it is in a message. Otherwise counts agree (tests/models).
 */
import { LRUCache } from "lru-cache";

/** A rank file of `js-tiktoken/ranks/*`. */
export interface RankFile {
  readonly pat_str: string;
  readonly bpe_ranks: string;
}

/** Cached counts of pieces. A piece is usually a word with its leading space, so the hit rate is high. */
const CACHE_PIECES = 20_000;
const CACHED_PIECE_LENGTH = 40;
/** Cached counts of whole texts: the rollouts of a group see the same passages. */
const CACHE_TEXTS = 1000;
const CACHED_TEXT_LENGTHS = { from: 30, to: 4000 };

/** An encoding. Building it takes about 0.2 s and 30 MB: make one per encoding and process. */
export class BytePairEncoding {
  private readonly pattern: RegExp;
  /** Rank by token bytes as a latin1 string, because a Map cannot look up byte arrays by value. */
  private readonly ranks: Map<string, number>;
  private readonly longest: number;
  private readonly cache = new LRUCache<string, number>({ max: CACHE_PIECES });
  private readonly texts = new LRUCache<string, number>({ max: CACHE_TEXTS });

  constructor(file: RankFile) {
    this.pattern = new RegExp(file.pat_str, "ug");
    this.ranks = decodeRanks(file.bpe_ranks);
    let longest = 1;
    for (const token of this.ranks.keys()) if (token.length > longest) longest = token.length;
    this.longest = longest;
  }

  /** Tokens of `text`; special tokens count as ordinary text. */
  count(text: string): number {
    const { from, to } = CACHED_TEXT_LENGTHS;
    if (text.length < from || text.length > to) return this.countPieces(text);
    const known = this.texts.get(text);
    if (known !== undefined) return known;
    const total = this.countPieces(text);
    this.texts.set(text, total);
    return total;
  }

  private countPieces(text: string): number {
    let total = 0;
    for (const match of text.matchAll(this.pattern)) total += this.countPiece(match[0]);
    return total;
  }

  private countPiece(piece: string): number {
    // Not `get`: marking the piece as recently used would cost more than finding its count.
    const known = this.cache.peek(piece);
    if (known !== undefined) return known;
    const bytes = Buffer.from(piece, "utf8").toString("latin1");
    const count = this.ranks.has(bytes) ? 1 : this.countMerged(bytes);
    if (piece.length <= CACHED_PIECE_LENGTH) this.cache.set(piece, count);
    return count;
  }

  /** Merges the lowest-ranked pair, leftmost first, until none is left; returns the number of parts. */
  private countMerged(bytes: string): number {
    const length = bytes.length;
    const next = new Int32Array(length + 1);
    const previous = new Int32Array(length + 1);
    const pairRank = new Float64Array(length).fill(-1);
    for (let i = 0; i <= length; i++) {
      next[i] = i + 1;
      previous[i] = i - 1;
    }
    const heap: number[] = [];
    const rankPair = (start: number): void => {
      const middle = next[start] as number;
      const end = middle < length ? (next[middle] as number) : -1;
      const rank =
        end === -1 || end - start > this.longest ? undefined : this.ranks.get(bytes.slice(start, end));
      pairRank[start] = rank ?? -1;
      if (rank !== undefined) push(heap, rank * POSITIONS + start);
    };
    for (let i = 0; i < length - 1; i++) rankPair(i);
    let parts = length;
    for (let top = pop(heap); top !== undefined; top = pop(heap)) {
      const start = top % POSITIONS;
      // Stale: a neighboring merge has changed the pair that starts here.
      if (pairRank[start] !== Math.floor(top / POSITIONS)) continue;
      const middle = next[start] as number;
      const end = next[middle] as number;
      pairRank[middle] = -1;
      next[start] = end;
      previous[end] = start;
      parts--;
      rankPair(start);
      if (start > 0) rankPair(previous[start] as number);
    }
    return parts;
  }
}

/** Heap keys are `rank * POSITIONS + position`: ordered by rank, then from the left; exact below 2^53. */
const POSITIONS = 2 ** 32;

function decodeRanks(packed: string): Map<string, number> {
  const ranks = new Map<string, number>();
  for (const line of packed.split("\n")) {
    const [, offset, ...tokens] = line.split(" ");
    const first = Number(offset);
    tokens.forEach((token, i) => {
      ranks.set(Buffer.from(token, "base64").toString("latin1"), first + i);
    });
  }
  return ranks;
}

function push(heap: number[], value: number): void {
  let at = heap.push(value) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent] as number;
    if (above <= value) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = value;
}

function pop(heap: number[]): number | undefined {
  const top = heap[0];
  const last = heap.pop();
  if (heap.length === 0 || last === undefined) return top;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && (heap[child + 1] as number) < (heap[child] as number)) child++;
    const below = heap[child] as number;
    if (below >= last) break;
    heap[at] = below;
    at = child;
  }
  heap[at] = last;
  return top;
}
