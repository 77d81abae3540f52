/** The SIMD kernel: the same bits as the plain loop, for every shape it can meet. */
import { describe, expect, it } from "vitest";
import { createRandom } from "../../../src/lib/random.js";
import { DotKernel, dotKernel } from "../../../src/store/vectors/dot-kernel.js";
import { dotInOrder } from "../../../src/store/vectors/vector-math.js";
import { VectorTable } from "../../../src/store/vectors/vector-table.js";

const random = createRandom("dot-kernel");
const vector = (dims: number): Float32Array =>
  Float32Array.from({ length: dims }, () => (random.next() - 0.5) * 10 ** Math.floor(random.next() * 12 - 6));

function filled(dims: number, rows: number): VectorTable {
  const table = new VectorTable(dims);
  for (let version = 0; version < rows; version++) {
    table.append(
      { version, item: version, ns: 1, branch: 1, rev: 1, endRev: null, born: version },
      vector(dims),
    );
  }
  return table;
}

describe("the dot kernel", () => {
  it("is in use here", () => {
    expect(dotKernel(384)).toBeInstanceOf(DotKernel);
    expect(dotKernel(3)).toBeNull();
  });

  it.each([2, 6, 64, 384, 1536, 30_000])("scores %i dimensions with the bits of the plain loop", (dims) => {
    const table = filled(dims, dims > 10_000 ? 7 : 150);
    const unit = new Float64Array(vector(dims));
    const all = Int32Array.from({ length: table.size }, (_, slot) => slot);
    const expected = [...all].map((slot) =>
      dotInOrder(table.chunkOf(slot), table.offsetOf(slot), unit, dims),
    );
    for (const slots of [
      all,
      all.slice(3),
      all.filter((slot) => slot % 3 > 0),
      all.slice(0, 1),
      all.slice().reverse(),
    ]) {
      const out = new Float64Array(slots.length);
      table.scores(slots, slots.length, unit, out);
      expect([...out]).toEqual([...slots].map((slot) => expected[slot]));
    }
  });

  it("crosses chunks of a table", () => {
    const dims = 2;
    const table = filled(dims, 8200);
    const unit = Float64Array.of(0.6, 0.8);
    const slots = Int32Array.from({ length: 40 }, (_, i) => 8170 + (i % 30));
    const out = new Float64Array(slots.length);
    table.scores(slots, slots.length, unit, out);
    expect([...out]).toEqual(
      [...slots].map((slot) => dotInOrder(table.chunkOf(slot), table.offsetOf(slot), unit, dims)),
    );
  });

  it("goes back and forth between dimensions", () => {
    const small = filled(4, 9);
    const large = filled(40_000, 3);
    for (const table of [small, large, small]) {
      const unit = new Float64Array(vector(table.dims));
      const slots = Int32Array.from({ length: table.size }, (_, slot) => slot);
      const out = new Float64Array(table.size);
      table.scores(slots, table.size, unit, out);
      expect([...out]).toEqual(
        [...slots].map((slot) => dotInOrder(table.chunkOf(slot), table.offsetOf(slot), unit, table.dims)),
      );
    }
  });
});
