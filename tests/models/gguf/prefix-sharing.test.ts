/** Sequences copy the beginning that their prompts share: one reads it. A stand-in for the package counts what is read. */
import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { GgufEngine } from "../../../src/models/gguf/engine.js";
import type { LlamaModule, LlamaSequence } from "../../../src/models/gguf/llama-api.js";
import { SequencePool } from "../../../src/models/gguf/sequence-pool.js";

const EOG = 0;

/** Reads a token per tick; answers with the end at once. */
class FakeSequence implements LlamaSequence {
  readonly contextSize = 4096;
  readonly needsCheckpoints: boolean;
  contextTokens: number[] = [];
  read = 0;
  loads = 0;

  constructor(private readonly options: { failing?: boolean; recurrent?: boolean }) {
    this.needsCheckpoints = options.recurrent ?? false;
  }

  get nextTokenIndex(): number {
    return this.contextTokens.length;
  }

  async eraseContextTokenRanges(ranges: { start: number; end: number }[]): Promise<void> {
    for (const { start, end } of ranges) this.contextTokens.splice(start, end - start);
  }

  async evaluateWithoutGeneratingNewTokens(tokens: number[]): Promise<void> {
    await sleep(1);
    this.read += tokens.length;
    this.contextTokens = [...this.contextTokens, ...tokens];
  }

  async *evaluateWithMetadata(tokens: number[]): AsyncGenerator<{ token: number }, void, undefined> {
    await this.evaluateWithoutGeneratingNewTokens(tokens);
    yield { token: EOG };
  }

  async controlledEvaluate(): Promise<undefined[]> {
    return [];
  }

  async saveStateToFile(path: string): Promise<void> {
    if (this.options.failing) throw new Error("no space left");
    writeFileSync(path, JSON.stringify(this.contextTokens));
  }

  async loadStateFromFile(path: string): Promise<void> {
    this.loads++;
    this.contextTokens = JSON.parse(readFileSync(path, "utf8"));
  }
}

function engineOf(count: number, options: { failing?: boolean; recurrent?: boolean } = {}) {
  const all = Array.from({ length: count }, () => new FakeSequence(options));
  const free = [...all];
  const context = { getSequence: () => free.shift(), dispose: async () => undefined };
  const model = {
    trainContextSize: 4096,
    isEogToken: (token: number) => token === EOG,
    createContext: async () => context,
    dispose: async () => undefined,
  };
  const module = {
    getLlama: async () => ({ loadModel: async () => model }),
    LlamaLogLevel: { error: "error" },
  } as unknown as LlamaModule;
  const engine = new GgufEngine({ file: "fake.gguf", sequences: count }, async () => module);
  const ask = (prompt: number[], signal?: AbortSignal) =>
    engine.generate({
      prompt,
      maxTokens: 1,
      sampling: { temperature: 1, topK: 0, topP: 1, minP: 0, seed: 1 },
      grammar: undefined,
      logProbs: false,
      signal,
      onToken: () => false,
    });
  return { engine, all, ask };
}

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
