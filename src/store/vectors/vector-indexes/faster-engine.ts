/**
 * Which searches codes faster on this machine, the store's own kernel or the installed FAISS. Measured once per
 * process.
 *
 * It depends on how FAISS was built: Debian's counts bits with a table, one built for the machine with an instruction.
 */
import { createRandom } from "../../../lib/random.js";
import { CodeTable } from "../codes/code-table.js";
import { Coder } from "../codes/coder.js";
import type { IndexKind } from "../vector-index.js";
import { SEES_ALL, VectorTable } from "../vector-table.js";
import { CodedIndex } from "./coded.js";
import { FaissIndex, type FaissModule } from "./faiss.js";

const DIMS = 384;
const SLOTS = 8192;
/** Searches before any is timed: until code has been compiled, it takes several times as long. */
const WARM_UP = 100;
const TURNS = 25;
/** FAISS is chosen if it takes less than this share of the time. Of larger scopes it looks at all codes, the store at few. */
const CLEARLY = 0.5;

let measured: Promise<IndexKind> | undefined;

/** The faster one. The first call takes about a second, in slices of a few milliseconds. */
export function fasterEngine(faiss: FaissModule): Promise<IndexKind> {
  measured ??= measure(faiss);
  return measured;
}

async function measure(faiss: FaissModule): Promise<IndexKind> {
  const random = createRandom("engines");
  const table = new VectorTable(DIMS);
  const coder = new Coder(new Float32Array(DIMS));
  const held = new FaissIndex(table, coder, faiss, Number.POSITIVE_INFINITY);
  const codes = new CodeTable(table, coder);
  for (let i = 0; i < SLOTS; i++) {
    const vector = Float32Array.from({ length: DIMS }, () => random.next() - 0.5);
    held.add(table.append({ version: i, item: i, ns: 1, branch: 1, rev: 1, endRev: null, born: i }, vector));
    if (i % 64 === 63) await pause();
  }
  while (!codes.cover(64)) await pause();
  while (!held.step()) await pause();
  const slots = Int32Array.from({ length: SLOTS }, (_, i) => i);
  const indexes = [new CodedIndex(table, codes, [slots]), held];
  const best = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let turn = 0; turn < WARM_UP + TURNS; turn++) {
    // A stored vector as query, so that the first candidates suffice and finding them is what is timed.
    const unit = table.vector(turn * 60).slice();
    for (const [i, index] of indexes.entries()) {
      const began = performance.now();
      index.search(unit, 1, SEES_ALL, { target: 0.9, widen: 1 });
      if (turn >= WARM_UP) best[i] = Math.min(best[i] as number, performance.now() - began);
    }
    await pause();
  }
  return (best[1] as number) < (best[0] as number) * CLEARLY ? "faiss" : "codes";
}

const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
