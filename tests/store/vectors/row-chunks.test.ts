import { describe, expect, it } from "vitest";
import { blockRows, chunkRows, RowChunks, type RowSource } from "../../../src/store/vectors/row-chunks.js";
import { RowMemory } from "../../../src/store/vectors/row-memory.js";

const WIDTH = 100;
const ROWS = 8192;
const PIECE = 4096;

/** Rows whose numbers say which row it is, and what was asked for. */
class Numbered implements RowSource {
  readonly asked: [from: number, rows: number][] = [];
  closed = false;
  failing = false;
  /** What happens before each piece is there. */
  meanwhile?: () => void | Promise<void>;

  constructor(readonly size: number) {}

  read(from: number, target: Uint8Array): void {
    if (this.failing) throw new Error("no disk");
    const numbers = new Float32Array(target.buffer, target.byteOffset, target.length / 4);
    this.asked.push([from, numbers.length / WIDTH]);
    for (let i = 0; i < numbers.length; i++) numbers[i] = from + Math.floor(i / WIDTH);
  }

  async fetch(from: number, count: number, take: (piece: Uint8Array, at: number) => void): Promise<boolean> {
    for (let done = 0; done < count; done += PIECE) {
      await this.meanwhile?.();
      if (this.closed) return false;
      const piece = new Uint8Array(Math.min(PIECE, count - done) * WIDTH * 4);
      this.read(from + done, piece);
      take(piece, done * WIDTH * 4);
    }
    return true;
  }

  close(): void {
    this.closed = true;
  }
}

const inMemory = (): RowMemory => new RowMemory(WIDTH, chunkRows(WIDTH * 4));

function restored(
  size: number,
  memory: RowMemory | null = null,
): { chunks: RowChunks<Float32Array>; source: Numbered } {
  const chunks = new RowChunks(WIDTH, Float32Array, memory);
  const source = new Numbered(size);
  chunks.restore(source);
  return { chunks, source };
}

const rowOf = (chunks: RowChunks<Float32Array>, slot: number): number[] => {
  const numbers = chunks.of(slot);
  const at = chunks.offset(slot);
  return [...numbers.subarray(at, at + WIDTH)];
};

describe("rows in chunks", () => {
  it("that were saved are read with their blocks until their chunk is there", async () => {
    const { chunks, source } = restored(3 * ROWS);
    const block = blockRows(WIDTH * 4);
    expect(source.asked).toEqual([[2 * ROWS, ROWS]]);
    for (const slot of [5, 3, block, ROWS + 7, 6, 3 * ROWS - 1]) {
      expect(new Set(rowOf(chunks, slot))).toEqual(new Set([slot]));
    }
    expect(source.asked.slice(1)).toEqual([0, block, ROWS, 0].map((from) => [from, block]));
    expect(chunks.run(6, 1000)).toBe(block - 6);
    expect(chunks.run(2 * ROWS + 6, 1000)).toBe(1000);
    while (await chunks.fetchNext());
    expect(source.closed).toBe(true);
    const asked = source.asked.length;
    expect(new Set(rowOf(chunks, 5))).toEqual(new Set([5]));
    expect(chunks.run(6, 1000)).toBe(1000);
    expect(source.asked.length).toBe(asked);
  });

  it("that are asked for often are read a chunk at a time", () => {
    const { chunks, source } = restored(2 * ROWS);
    const block = blockRows(WIDTH * 4);
    for (let slot = 0; slot < ROWS; slot += block) expect(rowOf(chunks, slot)[0]).toBe(slot);
    expect(source.asked.filter(([, rows]) => rows === ROWS)).toEqual([
      [ROWS, ROWS],
      [0, ROWS],
    ]);
    expect(source.asked.length).toBeLessThan(ROWS / block);
  });

  it("can be appended after saved ones, in the last chunk and in a new one", () => {
    for (const size of [3, ROWS, ROWS + 2]) {
      const { chunks } = restored(size);
      for (let slot = size; slot < size + 20; slot++)
        chunks.next(slot).fill(slot, chunks.offset(slot), chunks.offset(slot) + WIDTH);
      expect(new Set(rowOf(chunks, size + 19))).toEqual(new Set([size + 19]));
      expect(new Set(rowOf(chunks, size - 1))).toEqual(new Set([size - 1]));
    }
  });

  it("give nothing of another block when reading fails, and can be asked for again", () => {
    const { chunks, source } = restored(2 * ROWS);
    expect(rowOf(chunks, 1)[0]).toBe(1);
    source.failing = true;
    expect(() => chunks.of(500)).toThrow("no disk");
    expect(() => chunks.of(1)).toThrow("no disk");
    source.failing = false;
    expect(rowOf(chunks, 1)[0]).toBe(1);
    expect(rowOf(chunks, 500)[0]).toBe(500);
  });

  it("can be asked for after the source was released, but are not fetched", async () => {
    const { chunks, source } = restored(2 * ROWS);
    chunks.release();
    expect(source.closed).toBe(true);
    expect(await chunks.fetchNext()).toBe(false);
    expect(rowOf(chunks, 9)[0]).toBe(9);
  });
});

/** Writes a row's number into all of its components. */
function write(chunks: RowChunks<Float32Array>, slot: number): void {
  const numbers = chunks.next(slot);
  numbers.fill(slot, chunks.offset(slot), chunks.offset(slot) + WIDTH);
}

/** Rows of every chunk below a size, the first and the last among them. */
const someOf = (size: number): number[] => [
  ...Array.from({ length: Math.ceil(size / 1000) }, (_, i) => i * 1000),
  size - 1,
];

describe("rows in a memory that grows", () => {
  it("are what was written, before and after each growth", () => {
    const memory = inMemory();
    const chunks = new RowChunks(WIDTH, Float32Array, memory);
    const views = new Set<Float32Array>();
    for (let slot = 0; slot < 3 * ROWS + 5; slot++) {
      write(chunks, slot);
      if (slot % ROWS > 1) continue;
      for (const own of someOf(slot + 1)) expect(new Set(rowOf(chunks, own))).toEqual(new Set([own]));
      views.add(chunks.of(0));
    }
    // The first, small array, and one view for each growth after that: the memory did grow.
    expect(views.size).toBe(4);
    expect([...views].filter(({ length }) => length === 0).length).toBe(2);
    expect(Array.from({ length: 5 }, (_, chunk) => memory.has(chunk))).toEqual([
      true,
      true,
      true,
      true,
      false,
    ]);
    expect([chunks.lying(0), chunks.lying(ROWS - 1), chunks.lying(3 * ROWS)]).toEqual([0, 0, 3]);
  });

  it("stay in a small array while they are few", () => {
    const memory = inMemory();
    const chunks = new RowChunks(WIDTH, Float32Array, memory);
    for (let slot = 0; slot < ROWS / 4; slot++) write(chunks, slot);
    expect(chunks.of(0).length).toBe((ROWS / 4) * WIDTH);
    expect([memory.has(0), chunks.lying(0)]).toEqual([false, -1]);
    write(chunks, ROWS / 4);
    expect([memory.has(0), chunks.lying(0)]).toEqual([true, 0]);
    for (const slot of someOf(ROWS / 4 + 1)) expect(new Set(rowOf(chunks, slot))).toEqual(new Set([slot]));
  });

  it.each([0, 1, 2])("are fetched whole while others are appended (before piece %i)", async (piece) => {
    const { chunks, source } = restored(2 * ROWS, inMemory());
    let size = 2 * ROWS;
    let asked = 0;
    const append = (): void => {
      // Two chunks more each time, so that the memory grows under the fetch.
      for (const end = size + 2 * ROWS; size < end; size++) write(chunks, size);
    };
    source.meanwhile = async () => {
      if (asked++ !== piece) return;
      await Promise.resolve();
      const view = chunks.of(2 * ROWS - 1);
      append();
      expect(view.length).toBe(0);
    };
    const fetching = chunks.fetchNext();
    expect(chunks.lying(0)).toBe(-1);
    expect(new Set(rowOf(chunks, 7))).toEqual(new Set([7]));
    expect(await fetching).toBe(true);
    if (piece === 2) append();
    expect(chunks.lying(0)).toBe(0);
    expect(size).toBe(4 * ROWS);
    for (const slot of someOf(size)) expect(new Set(rowOf(chunks, slot))).toEqual(new Set([slot]));
    expect(await chunks.fetchNext()).toBe(false);
  });

  it("grow between the last piece and the end of a fetch", async () => {
    const { chunks, source } = restored(2 * ROWS, inMemory());
    const fetch = source.fetch.bind(source);
    source.fetch = async (...of) => {
      const isWhole = await fetch(...of);
      for (let slot = 2 * ROWS; slot < 3 * ROWS; slot++) write(chunks, slot);
      return isWhole;
    };
    expect(await chunks.fetchNext()).toBe(true);
    for (const slot of someOf(3 * ROWS)) expect(new Set(rowOf(chunks, slot))).toEqual(new Set([slot]));
  });

  it("can be read again when reading failed after the memory grew", () => {
    const { chunks, source } = restored(2 * ROWS, inMemory());
    const block = blockRows(WIDTH * 4);
    const often = ROWS / block / 2;
    for (let i = 0; i < often; i++) chunks.of(i * block);
    source.failing = true;
    expect(() => chunks.of(often * block)).toThrow("no disk");
    expect(chunks.lying(0)).toBe(-1);
    source.failing = false;
    expect(new Set(rowOf(chunks, often * block))).toEqual(new Set([often * block]));
    expect(chunks.lying(0)).toBe(0);
  });
});
