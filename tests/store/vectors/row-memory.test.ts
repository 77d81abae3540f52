/** Rows are multiplied where they lie, in one memory, several ones, or none, with the bits of the plain loop. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { createRandom } from "../../../src/lib/random.js";
import { chunkRows, type RowSource } from "../../../src/store/vectors/row-chunks.js";
import { RowMemory } from "../../../src/store/vectors/row-memory.js";
import { type StoredRows, storedRows } from "../../../src/store/vectors/stored-rows.js";
import { dotInOrder } from "../../../src/store/vectors/vector-math.js";

const DIMS = 8;
const ROWS = 8192;
const CHUNK_BYTES = ROWS * DIMS * 4;
/** A limit with which a memory holds two chunks. */
const TWO_CHUNKS = CHUNK_BYTES * 2.5;

const random = createRandom("row-memory");
const vector = (dims = DIMS): Float32Array => Float32Array.from({ length: dims }, () => random.next() - 0.5);

function append(rows: StoredRows, from: number, end: number, dims = DIMS): void {
  for (let slot = from; slot < end; slot++) rows.append(slot, vector(dims));
}

/** Compares the scores of listed slots with the plain loop. */
function check(rows: StoredRows, slots: readonly number[], dims = DIMS): void {
  const unit = new Float64Array(vector(dims));
  const expected = slots.map((slot) => {
    const chunk = rows.chunkOf(slot);
    return dotInOrder(chunk, rows.offsetOf(slot), unit, dims);
  });
  const out = new Float64Array(slots.length + 1).fill(7);
  expect(rows.scores(Int32Array.from(slots), slots.length, unit, out)).toBe(true);
  expect([...out]).toEqual([...expected, 7]);
  expect(new Set(expected).size).toBeGreaterThan(1);
}

/** Slots in ascending order, scattered, all over, and alone. */
function checkAll(rows: StoredRows, size: number, dims = DIMS): void {
  const drawn = Array.from({ length: 700 }, () => Math.floor(random.next() * size));
  check(rows, drawn, dims);
  check(
    rows,
    drawn.slice().sort((a, b) => a - b),
    dims,
  );
  check(
    rows,
    Array.from({ length: 600 }, (_, i) => size - 600 + i),
    dims,
  );
  for (let count = 2; count < 12; count++) check(rows, drawn.slice(0, count), dims);
}

/** Saved rows that hold what others hold. */
class Copied implements RowSource {
  constructor(
    readonly size: number,
    private readonly rows: StoredRows,
  ) {}

  read(from: number, target: Uint8Array): void {
    const { bytesEach } = this.rows;
    for (let at = 0; at < target.length && from + at / bytesEach < this.size; ) {
      const { bytes } = this.rows.pieceFrom(from + at / bytesEach, (target.length - at) / bytesEach);
      target.set(bytes, at);
      at += bytes.length;
    }
  }

  async fetch(from: number, count: number, take: (piece: Uint8Array, at: number) => void): Promise<boolean> {
    const piece = new Uint8Array(count * this.rows.bytesEach);
    this.read(from, piece);
    take(piece, 0);
    return true;
  }

  close(): void {
    // There is no file.
  }
}

afterEach(() => vi.unstubAllGlobals());

/** WebAssembly whose memories do as `change` says. */
function stubMemory(
  change: (size: { maximum?: number }, Memory: new (size: object) => object) => object,
): void {
  const real = (globalThis as unknown as { WebAssembly: { Memory: new (size: object) => object } })
    .WebAssembly;
  const stub = Object.create(real, {
    Memory: {
      value: function Memory(size: { maximum?: number }) {
        return change(size, real.Memory);
      },
    },
  });
  vi.stubGlobal("WebAssembly", stub);
}

describe("rows in memory", () => {
  it.each([2, 6, 64, 100, 384])("of %i components are multiplied where they lie", (dims) => {
    const rows = storedRows(dims, false);
    append(rows, 0, 2500, dims);
    checkAll(rows, 2500, dims);
  });

  it("are multiplied while they grow, over several memories", () => {
    const rows = storedRows(DIMS, false, TWO_CHUNKS);
    let size = 0;
    for (const end of [700, 2049, ROWS + 1, ROWS * 2 + 1, ROWS * 4 + 1, ROWS * 5 + 9]) {
      append(rows, size, end);
      size = end;
      checkAll(rows, size);
    }
  });

  it("are multiplied where they are, some in memory and some in the file", async () => {
    const saved = storedRows(DIMS, false);
    append(saved, 0, ROWS * 4 + 50);
    const rows = storedRows(DIMS, false, TWO_CHUNKS);
    rows.restore(new Copied(ROWS * 4 + 50, saved));
    const slots = [3, 4, 5, ROWS * 4 + 1, ROWS + 9, ROWS * 4 + 2, 6, ROWS * 3 + 7, ROWS * 4 + 3, ROWS + 10];
    for (let fetched = 0; fetched < 5; fetched++) {
      const unit = new Float64Array(vector());
      const out = [new Float64Array(slots.length), new Float64Array(slots.length)] as const;
      rows.scores(Int32Array.from(slots), slots.length, unit, out[0]);
      saved.scores(Int32Array.from(slots), slots.length, unit, out[1]);
      expect(out[0]).toEqual(out[1]);
      await rows.fetchNext();
    }
    checkAll(rows, ROWS * 4 + 50);
  });

  it("lie in arrays when no memory can be had, with the same scores", () => {
    stubMemory((size, Memory) => {
      if (size.maximum !== undefined) throw new RangeError("could not allocate memory");
      return new Memory(size);
    });
    const memory = new RowMemory(DIMS, chunkRows(DIMS * 4));
    expect([memory.reserve(0), memory.has(0)]).toEqual([false, false]);
    const rows = storedRows(DIMS, false);
    append(rows, 0, ROWS * 2 + 100);
    checkAll(rows, ROWS * 2 + 100);
  });

  it("lie in arrays from where a memory cannot grow any more", () => {
    stubMemory((size, Memory) => {
      const memory = new Memory(size) as { grow: () => number };
      if (size.maximum !== undefined) {
        memory.grow = () => {
          throw new RangeError("failed to grow memory");
        };
      }
      return memory;
    });
    const memory = new RowMemory(DIMS, chunkRows(DIMS * 4));
    expect([memory.reserve(0), memory.reserve(1), memory.has(1)]).toEqual([true, false, false]);
    const rows = storedRows(DIMS, false);
    append(rows, 0, ROWS * 3 + 100);
    checkAll(rows, ROWS * 3 + 100);
  });

  it("lie in arrays if a chunk is larger than a memory may be, or the dimension is odd", () => {
    const memory = new RowMemory(DIMS, ROWS, CHUNK_BYTES);
    expect(memory.reserve(0)).toBe(false);
    const rows = storedRows(3, false);
    append(rows, 0, 3000, 3);
    expect(rows.scores(Int32Array.of(1), 1, new Float64Array(3), new Float64Array(1))).toBe(false);
    expect(rows.chunkOf(2999).length).toBe(ROWS * 3);
  });

  it("start as zeros, so a zero vector scores 0", () => {
    const rows = storedRows(DIMS, false);
    append(rows, 0, 2100);
    rows.append(2100, new Float32Array(DIMS));
    const out = new Float64Array(1);
    rows.scores(Int32Array.of(2100), 1, new Float64Array(vector()), out);
    expect(out[0]).toBe(0);
  });
});
