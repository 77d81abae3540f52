/**
 * A GGUF file loaded once per process, and the generation of tokens on its sequences.
 *
 * Owns loading, prefix reuse, sampling, log-probabilities and the limit of the context. Leaves out text: prompts come as
 * token ids (`prompt.ts`), answers go as token ids (`response.ts`).
 */
import { randomInt } from "node:crypto";
import { availableParallelism } from "node:os";
import { ContextOverflowError } from "@langchain/core/errors";
import { ModelError, messageOf } from "../../errors.js";
import {
  importLlama,
  type Llama,
  type LlamaContext,
  type LlamaModel,
  type LlamaModule,
  type LlamaSampling,
  type LlamaSequence,
} from "./llama-api.js";
import { logProbabilities, scoreItems } from "./log-probabilities.js";
import { type Lease, SequencePool } from "./sequence-pool.js";
import { copyState } from "./state-copy.js";

/** What an engine is; two models of equal settings share one. */
export interface EngineSettings {
  /** Absolute path. */
  file: string;
  /** Tokens of prompt and response together and one more, per sequence. Default: the model's own, at most 8,192. */
  contextSize?: number | undefined;
  /** Requests answered at the same time. Default 1. */
  sequences?: number | undefined;
  /** Default: the cores for mathematics, less the one that Node itself needs (`defaultThreads`). */
  threads?: number | undefined;
  /** "auto" uses a graphics card where the package has a build for it; default false. */
  gpu?: "auto" | false | undefined;
}

/** One generation. */
export interface GenerateOptions {
  prompt: readonly number[];
  maxTokens: number | undefined;
  sampling: Omit<LlamaSampling, "seed"> & { seed: number | undefined };
  /** GBNF; undefined = no constraint. */
  grammar: string | undefined;
  /** Log-probabilities of the model's own distribution are wanted, whatever the sampling. */
  logProbs: boolean;
  signal: AbortSignal | undefined;
  /** Told each token; true ends the generation. */
  onToken: (token: number, tokens: readonly number[]) => boolean | Promise<boolean>;
}

/** What was generated. */
export interface Generated {
  tokens: number[];
  /** One per token, natural logarithm, under temperature 1 over the whole vocabulary; null when not asked for. */
  logProbs: number[] | null;
  /** Tokens of the prompt that were not read again. */
  reused: number;
  finish: "stop" | "length" | "told";
}

/** An engine's parts, loaded. */
export interface LoadedEngine {
  model: LlamaModel;
  contextSize: number;
}

interface Parts extends LoadedEngine {
  module: LlamaModule;
  llama: Llama;
  context: LlamaContext;
  pool: SequencePool<LlamaSequence>;
}

/** Tokens read between two looks at the signal. */
const STRIDE = 256;

export class GgufEngine {
  /** Prompt tokens so far, how many of them were held already, and how often a beginning was copied between sequences. */
  readonly stats = { calls: 0, promptTokens: 0, reusedTokens: 0, responseTokens: 0, copies: 0 };
  #parts: Promise<Parts> | undefined;
  readonly #grammars = new Map<string, Promise<object>>();

  constructor(
    readonly settings: EngineSettings,
    private readonly load: () => Promise<LlamaModule> = importLlama,
  ) {}

  /** Loads package, file and context, once. Throws `AGEMEM_PACKAGE_MISSING`, `AGEMEM_MODEL_FAILED`. */
  async open(): Promise<LoadedEngine> {
    return this.#open();
  }

  /** Generates until the model ends its turn, a limit is met or the caller has enough. */
  async generate(options: GenerateOptions): Promise<Generated> {
    const parts = await this.#open();
    const { prompt, signal } = options;
    const room = parts.contextSize - prompt.length;
    if (room < 1) throw overflow(prompt.length, parts.contextSize, this.settings.file);
    const lease = await parts.pool.acquire(prompt, signal);
    try {
      const reused = await this.#read(lease, parts.pool, signal);
      const limit = Math.min(options.maxTokens ?? room, room);
      const made = await this.#write(parts, lease.sequence, options, limit);
      this.stats.calls++;
      this.stats.promptTokens += prompt.length;
      this.stats.reusedTokens += reused;
      this.stats.responseTokens += made.tokens.length;
      return { ...made, reused };
    } finally {
      lease.release();
    }
  }

  /** Frees memory. A later call loads again. */
  async dispose(): Promise<void> {
    const parts = await this.#parts?.catch(() => undefined);
    this.#parts = undefined;
    this.#grammars.clear();
    await parts?.context.dispose();
    await parts?.model.dispose();
  }

  /** Brings the sequence to all tokens of the prompt but the last one; tells how many of them were held already. */
  async #read(
    lease: Lease<LlamaSequence>,
    pool: SequencePool<LlamaSequence>,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const { sequence, prompt } = lease;
    const source = await pool.source(lease, signal);
    if (source && (await copyState(source, sequence))) this.stats.copies++;
    const reused = lease.reused();
    if (sequence.nextTokenIndex > reused) {
      await sequence.eraseContextTokenRanges([{ start: reused, end: sequence.nextTokenIndex }]);
    }
    lease.progressed();
    // What the cache could not keep (sliding windows) is read again.
    for (let from = sequence.nextTokenIndex; from < prompt.length - 1; from += STRIDE) {
      signal?.throwIfAborted();
      const part = prompt.slice(from, Math.min(from + STRIDE, prompt.length - 1));
      await sequence.evaluateWithoutGeneratingNewTokens(part);
      lease.progressed();
    }
    signal?.throwIfAborted();
    return reused;
  }

  async #write(
    parts: Parts,
    sequence: LlamaSequence,
    { prompt, sampling, grammar, logProbs, signal, onToken }: GenerateOptions,
    limit: number,
  ): Promise<Omit<Generated, "reused">> {
    const state = grammar === undefined ? undefined : await this.#grammarState(parts, grammar);
    const tokens: number[] = [];
    const confidences: number[] = [];
    let finish: Generated["finish"] = "length";
    const own = logProbs && isWholeDistribution(sampling) && state === undefined;
    const steps = sequence.evaluateWithMetadata(
      prompt.slice(-1),
      // Asked for, the package sorts the whole vocabulary at each token, and tests all of it against a grammar.
      { confidence: own },
      {
        ...sampling,
        // The package takes the second of the day, which would make equal rollouts of a group.
        seed: sampling.seed ?? randomInt(2 ** 31),
        ...(state && { grammarEvaluationState: state }),
        yieldEogToken: true,
      },
    );
    for await (const { token, confidence } of steps) {
      signal?.throwIfAborted();
      tokens.push(token);
      confidences.push(confidence ?? Number.NaN);
      if (parts.model.isEogToken(token)) finish = "stop";
      else if (await onToken(token, tokens)) finish = "told";
      if (finish !== "length" || tokens.length >= limit) break;
    }
    if (!logProbs) return { tokens, logProbs: null, finish };
    const logs = own
      ? confidences.map((p) => Math.log(Math.max(p, Number.MIN_VALUE)))
      : await score(sequence, prompt, tokens);
    return { tokens, logProbs: logs, finish };
  }

  async #grammarState({ llama, module, model }: Parts, text: string): Promise<object> {
    let grammar = this.#grammars.get(text);
    if (!grammar) {
      grammar = llama.createGrammar({ grammar: text });
      this.#grammars.set(text, grammar);
    }
    return new module.LlamaGrammarEvaluationState({ model, grammar: await grammar });
  }

  async #open(): Promise<Parts> {
    this.#parts ??= this.#load();
    try {
      return await this.#parts;
    } catch (error) {
      this.#parts = undefined;
      throw error;
    }
  }

  async #load(): Promise<Parts> {
    const module = await this.load();
    const { file, sequences = 1, threads, gpu = false } = this.settings;
    try {
      const llama = await module.getLlama({
        gpu,
        build: "never",
        skipDownload: true,
        progressLogs: false,
        logLevel: module.LlamaLogLevel.error,
      });
      const model = await llama.loadModel({ modelPath: file });
      const wanted = this.settings.contextSize ?? Math.min(model.trainContextSize, 8192);
      const context = await model.createContext({
        sequences,
        contextSize: wanted,
        batchSize: 512,
        // Without it a model with sliding windows forgets the prefixes that are to be reused.
        swaFullCache: true,
        threads: threads ?? defaultThreads(llama.cpuMathCores, availableParallelism()),
      });
      const all = Array.from({ length: sequences }, () => context.getSequence());
      // The package keeps one place free, and shifts the context where it is full; neither may happen here.
      const contextSize = Math.min(wanted, (all[0]?.contextSize ?? wanted) - 1);
      return { module, llama, model, context, pool: new SequencePool(all), contextSize };
    } catch (cause) {
      throw new ModelError("AGEMEM_MODEL_FAILED", `${file} cannot be loaded: ${messageOf(cause)}`, {
        cause,
        remedy:
          "Check that it is a whole GGUF file of a language model, and that memory suffices for contextSize.",
        details: { file, sequences, contextSize: this.settings.contextSize },
      });
    }
  }
}

/**
 * How many threads compute. The package's own default is at least 4, also on two cores, and llama.cpp's threads wait for each
 * other by spinning: with more threads than cores (seen on two) a response does not end for minutes.
 */
export function defaultThreads(mathCores: number, parallelism: number): number {
  return Math.max(1, Math.min(mathCores, parallelism - 1));
}

/** Log-probabilities of tokens that are already there, by reading them again behind their prompt. */
async function score(
  sequence: LlamaSequence,
  prompt: readonly number[],
  tokens: number[],
): Promise<number[]> {
  const start = prompt.length - 1;
  if (tokens.length === 0) return [];
  await sequence.eraseContextTokenRanges([{ start, end: sequence.nextTokenIndex }]);
  const input = scoreItems(prompt[start] as number, tokens);
  return logProbabilities(tokens, await sequence.controlledEvaluate(input));
}

/** Under which the probability of a sampled token is the model's own. Greedy choice leaves the distribution alone. */
function isWholeDistribution({ temperature, topK, topP, minP }: Omit<LlamaSampling, "seed">): boolean {
  return (temperature === 1 || temperature === 0) && topK === 0 && topP === 1 && minP === 0;
}

function overflow(promptTokens: number, contextSize: number, file: string): ModelError {
  const message = `The prompt has ${promptTokens} tokens, the context of ${file} holds ${contextSize}`;
  return new ModelError("AGEMEM_MODEL_CONTEXT", message, {
    // What LangChain's middleware looks for.
    cause: new ContextOverflowError(message),
    remedy: "Lower the agent's token budget, or load the model with a larger contextSize.",
    details: { promptTokens, contextSize },
  });
}

const shared = new Map<string, GgufEngine>();

/** The process's engine for these settings. */
export function sharedEngine(settings: EngineSettings): GgufEngine {
  const { file, contextSize, sequences, threads, gpu } = settings;
  const key = JSON.stringify([file, contextSize, sequences, threads, gpu]);
  const known = shared.get(key) ?? new GgufEngine(settings);
  shared.set(key, known);
  return known;
}
