import { describe, expect, it } from "vitest";
import { blockRows, RowChunks, type RowSource } from "../../../src/store/vectors/row-chunks.js";

const WIDTH = 100;
const ROWS = 8192;

/** Rows whose numbers say which row it is, and what was asked for. */
class Numbered implements RowSource {
  readonly asked: [from: number, rows: number][] = [];
  closed = false;
  failing = false;

  constructor(readonly size: number) {}

  read(from: number, target: Uint8Array): void {
    if (this.failing) throw new Error("no disk");
    const numbers = new Float32Array(target.buffer, target.byteOffset, target.length / 4);
    this.asked.push([from, numbers.length / WIDTH]);
    for (let i = 0; i < numbers.length; i++) numbers[i] = from + Math.floor(i / WIDTH);
  }

  async fetch(from: number, target: Uint8Array): Promise<boolean> {
    if (this.closed) return false;
    this.read(from, target);
    return true;
  }

  close(): void {
    this.closed = true;
  }
}

function restored(size: number): { chunks: RowChunks<Float32Array>; source: Numbered } {
  const chunks = new RowChunks(WIDTH, Float32Array);
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
