/**
 * Rows of numbers in chunks of a power of two each, which may still be in a file.
 *
 * Owns where a row is, growing, and fetching saved rows: a row that is asked for early is read with its block, a chunk that is
 * asked for often at once, and the rest in the background. So opening a large store need not wait for its vectors. Leaves
 * out the file (`sidecar/saved-rows.ts`), what the numbers mean (`stored-rows.ts`), and the memory in which chunks of full
 * size may lie (`row-memory.ts`): growing it takes views away, so they are made again here.
 */
import { bytesOf } from "./sidecar/checksum.js";

/** Rows of a chunk at most, and bytes: long vectors get chunks of fewer rows. */
const CHUNK_ROWS = 8192;
const CHUNK_BYTES = 32 * 1024 * 1024;
/** Rows of a first chunk at least. */
const FEWEST = 64;
/** A first chunk of fewer rows than this share of a whole one is an array that grows. */
const SMALL = 1 / 4;
/** Bytes of a block at most, if that is a row. */
const BLOCK_BYTES = 32 * 1024;
/** A chunk is read whole once so many blocks as this share of its own were read by themselves. */
const OFTEN = 1 / 2;

/** A piece of saved rows: its bytes (shared memory) and how many rows they are. */
export interface Piece {
  bytes: Uint8Array;
  rows: number;
}

/** Where saved rows come from. Blocks are {@link blockRows} rows each. */
export interface RowSource {
  /** How many rows there are. */
  readonly size: number;
  /** Fills `target` with the rows from one on, which is the first of a block. */
  read(from: number, target: Uint8Array): void;
  /**
   * Passes `count` such rows on, piece by piece, while other work goes on. `take` gets each piece, which is good for that
   * call, and the byte at which it starts. Returns false if the source was closed meanwhile.
   */
  fetch(from: number, count: number, take: (piece: Uint8Array, at: number) => void): Promise<boolean>;
  /** Nothing that is read afterwards counts. */
  close(): void;
}

/** Where chunks of full size may lie instead of arrays of their own. */
export interface ChunkMemory<T extends Numbers> {
  /** Makes room for a chunk, which takes all views away. Returns false if there is none to be had. */
  reserve(chunk: number): boolean;
  has(chunk: number): boolean;
  view(chunk: number): T;
}

/** Rows of a chunk, a power of two. */
export function chunkRows(bytesEach: number): number {
  return 2 ** Math.floor(Math.log2(Math.max(16, Math.min(CHUNK_ROWS, CHUNK_BYTES / bytesEach))));
}

/** Rows in a block, a power of two. */
export function blockRows(bytesEach: number): number {
  return 2 ** Math.floor(Math.log2(Math.max(1, BLOCK_BYTES / bytesEach)));
}

type Numbers = Float32Array | Int8Array;

export class RowChunks<T extends Numbers> {
  readonly rows: number;
  readonly #shift: number;
  /** Undefined while a chunk is in the file only. */
  readonly #chunks: (T | undefined)[] = [];
  #saved: RowSource | null = null;
  readonly #blockRows: number;
  /** The block that was read last, and its first row. */
  #block: { from: number; numbers: T } | null = null;
  /** By chunk, how many of its blocks were read. */
  #asked: number[] = [];

  constructor(
    readonly width: number,
    private readonly type: { new (length: number): T; readonly BYTES_PER_ELEMENT: number },
    private readonly memory: ChunkMemory<T> | null = null,
  ) {
    const bytesEach = width * type.BYTES_PER_ELEMENT;
    this.rows = chunkRows(bytesEach);
    this.#shift = Math.log2(this.rows);
    this.#blockRows = blockRows(bytesEach);
  }

  /** An array with a slot's row, until the next call. */
  of(slot: number): T {
    return this.#chunks[slot >>> this.#shift] ?? this.#early(slot);
  }

  /** The chunk in which a slot's row lies in the memory for chunks; -1 if it lies elsewhere. */
  lying(slot: number): number {
    const at = slot >>> this.#shift;
    return this.#chunks[at] !== undefined && this.memory?.has(at) ? at : -1;
  }

  /** Where a slot's row starts in it. */
  offset(slot: number): number {
    return (slot & (this.#together(slot) - 1)) * this.width;
  }

  /** How many rows from a slot on follow each other in it, at most `most`. */
  run(slot: number, most: number): number {
    const together = this.#together(slot);
    return Math.min(most, together - (slot & (together - 1)));
  }

  /** The chunk for the next slot, with room for its row. The first one starts small, so that small stores stay small. */
  next(slot: number): T {
    const at = slot >>> this.#shift;
    const chunk = this.#chunks[at];
    if (chunk && (at > 0 || (slot + 1) * this.width <= chunk.length)) return chunk;
    const grown = this.#empty(at, slot, slot * 2);
    if (chunk) grown.set(chunk as never);
    this.#chunks[at] = grown;
    return grown;
  }

  piece(slot: number, most: number): Piece {
    const numbers = this.of(slot);
    const rows = this.run(slot, most);
    const from = this.offset(slot);
    return { bytes: bytesOf(numbers.subarray(from, from + rows * this.width) as T), rows };
  }

  restore(saved: RowSource): void {
    const last = Math.max(0, saved.size - 1) >>> this.#shift;
    this.#saved = saved;
    this.#asked = new Array<number>(last + 1).fill(0);
    for (let at = 0; at < last; at++) this.#chunks.push(undefined);
    // Rows are appended to the last chunk.
    if (saved.size > 0) this.#readChunk(last);
    if (last < 1) this.release();
  }

  async fetchNext(): Promise<boolean> {
    const saved = this.#saved;
    const at = this.#chunks.indexOf(undefined);
    if (!saved || at < 0) {
      this.release();
      return false;
    }
    let own = this.#empty(at, saved.size, saved.size);
    // An append may have grown the memory for chunks since.
    const chunk = (): T => {
      if (own.length === 0) own = (this.memory as ChunkMemory<T>).view(at);
      return own;
    };
    const rows = this.#savedRows(at);
    const take = (piece: Uint8Array, from: number): void => bytesOf(chunk()).set(piece, from);
    if (!(await saved.fetch(at << this.#shift, rows, take))) return false;
    this.#chunks[at] ??= chunk();
    return true;
  }

  release(): void {
    this.#saved?.close();
    if (!this.#chunks.includes(undefined)) this.#saved = null;
    this.#block = null;
  }

  /** How many rows lie together where a slot's row is. */
  #together(slot: number): number {
    const isThere = this.#saved === null || this.#chunks[slot >>> this.#shift] !== undefined;
    return isThere ? this.rows : this.#blockRows;
  }

  /** The block of a row whose chunk is in the file, or the chunk if it is asked for often. */
  #early(slot: number): T {
    const from = slot & ~(this.#blockRows - 1);
    if (this.#block?.from === from) return this.#block.numbers;
    const at = slot >>> this.#shift;
    this.#asked[at] = (this.#asked[at] ?? 0) + 1;
    if ((this.#asked[at] as number) > (this.rows / this.#blockRows) * OFTEN) return this.#readChunk(at);
    const numbers = this.#block?.numbers ?? new this.type(this.#blockRows * this.width);
    // If reading fails, what is there is of no block.
    this.#block = null;
    (this.#saved as RowSource).read(from, bytesOf(numbers));
    this.#block = { from, numbers };
    return numbers;
  }

  #readChunk(at: number): T {
    const saved = this.#saved as RowSource;
    const chunk = this.#empty(at, saved.size, saved.size);
    saved.read(at << this.#shift, bytesOf(chunk.subarray(0, this.#savedRows(at) * this.width) as T));
    this.#chunks[at] = chunk;
    return chunk;
  }

  /** Numbers for a chunk; of a first one that holds few of `size` rows, for at least `most` rows. */
  #empty(at: number, size: number, most: number): T {
    const isSmall = at === 0 && size < this.rows * SMALL;
    if (isSmall) return new this.type(Math.max(FEWEST, Math.min(this.rows, most)) * this.width);
    if (!this.memory?.reserve(at)) return new this.type(this.rows * this.width);
    for (const [other, chunk] of this.#chunks.entries()) {
      if (chunk && this.memory.has(other)) this.#chunks[other] = this.memory.view(other);
    }
    return this.memory.view(at);
  }

  /** How many rows of a chunk were saved. */
  #savedRows(at: number): number {
    return Math.min(this.rows, (this.#saved as RowSource).size - (at << this.#shift));
  }
}
