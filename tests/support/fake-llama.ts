/** A stand-in for the package of `gguf:` models, which counts what is read and keeps what is asked. */
import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type GenerateOptions, GgufEngine } from "../../src/models/gguf/engine.js";
import type { LlamaModule, LlamaScore, LlamaSequence } from "../../src/models/gguf/llama-api.js";

/** The token that ends a turn. */
export const EOG = 0;

/** Reads a part per tick; answers with the end at once, certain by half. */
export class FakeSequence implements LlamaSequence {
  readonly contextSize = 4096;
  readonly needsCheckpoints: boolean;
  contextTokens: number[] = [];
  read = 0;
  loads = 0;
  /** Per response, whether the probability of each token was asked for. */
  readonly asked: boolean[] = [];
  readonly scored: number[] = [];

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

  async *evaluateWithMetadata(
    tokens: number[],
    { confidence }: { confidence: boolean },
  ): AsyncGenerator<{ token: number; confidence?: number }, void, undefined> {
    this.asked.push(confidence);
    await this.evaluateWithoutGeneratingNewTokens(tokens);
    yield { token: EOG, ...(confidence ? { confidence: 0.5 } : {}) };
  }

  async controlledEvaluate(input: unknown[]): Promise<LlamaScore[]> {
    this.scored.push(input.length);
    return input.map(() => ({ next: { logits: new Map([[EOG, 0]]), totalLogitWeight: 4 } }));
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

/** An engine on `count` sequences of the stand-in, and how to ask it. */
export function engineOf(count: number, options: { failing?: boolean; recurrent?: boolean } = {}) {
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
    getLlama: async () => ({ loadModel: async () => model, createGrammar: async () => ({}) }),
    LlamaLogLevel: { error: "error" },
    LlamaGrammarEvaluationState: class {},
  } as unknown as LlamaModule;
  const engine = new GgufEngine({ file: "fake.gguf", sequences: count }, async () => module);
  const ask = (prompt: number[], signal?: AbortSignal, changes: Partial<GenerateOptions> = {}) =>
    engine.generate({
      prompt,
      maxTokens: 1,
      sampling: { temperature: 1, topK: 0, topP: 1, minP: 0, seed: 1 },
      grammar: undefined,
      logProbs: false,
      signal,
      onToken: () => false,
      ...changes,
    });
  return { engine, all, ask };
}
