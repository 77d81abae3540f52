/** Sequences copy the beginning that their prompts share: one reads it. A stand-in for the package counts what is read. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { SequencePool } from "../../../src/models/gguf/sequence-pool.js";
import { EOG, engineOf, type FakeSequence } from "../../support/fake-llama.js";

const shared = Array.from({ length: 1000 }, (_, at) => at + 10);
const promptOf = (n: number) => [...shared, ...Array.from({ length: 100 }, (_, at) => 5000 + n * 100 + at)];
const readBy = (all: readonly FakeSequence[]) => all.reduce((sum, { read }) => sum + read, 0);

describe("gguf: shared beginnings", () => {
  it("is read once by requests that come together", async () => {
    const { engine, all, ask } = engineOf(8);
    const made = await Promise.all(Array.from({ length: 8 }, (_, n) => ask(promptOf(n))));
    expect(readBy(all)).toBe(1100 + 7 * 100);
    expect(made.map(({ reused }) => reused)).toEqual([0, ...Array.from({ length: 7 }, () => 1000)]);
    expect(engine.stats).toMatchObject({ calls: 8, reusedTokens: 7000, copies: 7 });
    for (const [n, { contextTokens }] of all.entries()) expect(contextTokens).toEqual(promptOf(n));
  });

  it("is copied from a sequence that is free", async () => {
    const { all, ask } = engineOf(2);
    await ask(promptOf(1));
    const [first, second] = await Promise.all([ask(promptOf(1)), ask(promptOf(2))]);
    expect([first?.reused, second?.reused]).toEqual([1099, 1000]);
    expect(readBy(all)).toBe(1100 + 1 + 100);
  });

  it("is read by each where copying fails or the model's state cannot be cut", async () => {
    for (const options of [{ failing: true }, { recurrent: true }]) {
      const { engine, all, ask } = engineOf(3, options);
      await Promise.all([ask(promptOf(1)), ask(promptOf(2)), ask(promptOf(3))]);
      expect(readBy(all)).toBe(3300);
      expect(engine.stats.copies).toBe(0);
    }
  });

  it("is read by the next one when the first gives up, and nobody waits for ever", async () => {
    const { all, ask } = engineOf(3);
    const abort = new AbortController();
    const gone = ask(promptOf(1), abort.signal).catch((reason: unknown) => reason);
    const others = [ask(promptOf(2)), ask(promptOf(3))];
    await sleep(1);
    abort.abort(new Error("enough"));
    expect(await gone).toMatchObject({ message: "enough" });
    const made = await Promise.all(others);
    expect(made.every(({ tokens }) => tokens[0] === EOG)).toBe(true);
    expect(all.some(({ contextTokens }) => contextTokens.length === 1100)).toBe(true);
    expect(readBy(all)).toBeLessThan(2 * 1100);
  });

  it("lets a waiting request go for its signal", async () => {
    const { ask } = engineOf(2);
    const abort = new AbortController();
    const first = ask(promptOf(1));
    const second = ask(promptOf(2), abort.signal).catch((reason: unknown) => reason);
    abort.abort(new Error("enough"));
    expect(await second).toMatchObject({ message: "enough" });
    expect((await first).reused).toBe(0);
  });

  it("is not copied when short, nor when it is a small part of what the other holds", async () => {
    const held = (...tokens: number[]) => ({ contextTokens: tokens });
    const long = held(...shared);
    const pool = new SequencePool([held(), long]);
    const few = [...shared.slice(0, 50), 1, 2];
    const many = [...shared.slice(0, 200), 1, 2];
    const most = [...shared.slice(0, 300), 1, 2];
    for (const [prompt, found] of [
      [few, undefined],
      [many, undefined],
      [most, long],
    ] as const) {
      // The other sequence is taken, so that this request gets the empty one.
      const other = await pool.acquire(shared);
      const lease = await pool.acquire(prompt);
      expect(await pool.source(lease)).toBe(found);
      lease.release();
      other.release();
    }
  });
});
