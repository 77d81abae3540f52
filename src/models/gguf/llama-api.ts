/**
 * What is used of `node-llama-cpp`, as types of our own, and how the package is loaded.
 *
 * The package is optional: its types are not there where it is not, so they are written down here (`npm run test:models`
 * runs them against the real package).
 */
import { ConfigError, messageOf } from "../../errors.js";

/** Sampling as the package takes it. */
export interface LlamaSampling {
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  seed: number;
}

export interface LlamaEvaluateOptions extends LlamaSampling {
  grammarEvaluationState?: object;
  yieldEogToken: boolean;
}

/** What can be asked for at one position. */
export interface LlamaScoreItem {
  generateNext: {
    logits: { filter: { tokens: number[]; includeTop: number } };
    totalLogitWeight: true;
    options: LlamaSampling;
  };
}

export interface LlamaScore {
  next: { logits?: Map<number, number>; totalLogitWeight?: number };
}

/** One text in the making, with the state of its tokens. */
export interface LlamaSequence {
  readonly contextSize: number;
  readonly nextTokenIndex: number;
  readonly contextTokens: readonly number[];
  /** True where evaluated tokens cannot be cut back (recurrent models). */
  readonly needsCheckpoints: boolean;
  eraseContextTokenRanges(ranges: { start: number; end: number }[]): Promise<void>;
  evaluateWithoutGeneratingNewTokens(tokens: number[]): Promise<void>;
  saveStateToFile(path: string): Promise<unknown>;
  /** The risk: a file of another model. */
  loadStateFromFile(path: string, risk: { acceptRisk: true }): Promise<void>;
  evaluateWithMetadata(
    tokens: number[],
    metadata: { confidence: boolean },
    options: LlamaEvaluateOptions,
  ): AsyncGenerator<{ token: number; confidence?: number }, void, undefined>;
  controlledEvaluate(input: (number | [number, LlamaScoreItem])[]): Promise<(LlamaScore | undefined)[]>;
}

export interface LlamaContext {
  getSequence(): LlamaSequence;
  dispose(): Promise<void>;
}

export interface LlamaModel {
  readonly trainContextSize: number;
  readonly tokens: {
    bos: number | null;
    bosString: string | null;
    eosString: string | null;
    shouldPrependBosToken: boolean;
  };
  readonly fileInfo: {
    metadata: { general?: { architecture?: string }; tokenizer?: { chat_template?: string } };
  };
  tokenize(text: string, specialTokens: boolean, options?: "trimLeadingSpace"): number[];
  detokenize(tokens: readonly number[], specialTokens?: boolean, lastTokens?: readonly number[]): string;
  isEogToken(token: number): boolean;
  createContext(options: {
    sequences: number;
    contextSize: number;
    batchSize: number;
    swaFullCache: boolean;
    threads?: number;
  }): Promise<LlamaContext>;
  dispose(): Promise<void>;
}

export interface Llama {
  /** Cores that do mathematics well. */
  cpuMathCores: number;
  loadModel(options: { modelPath: string }): Promise<LlamaModel>;
  createGrammar(options: { grammar: string }): Promise<object>;
}

/** The package's entry. */
export interface LlamaModule {
  getLlama(options: Record<string, unknown>): Promise<Llama>;
  LlamaGrammarEvaluationState: new (options: { model: LlamaModel; grammar: object }) => object;
  LlamaLogLevel: { error: string };
}

/** By a name that bundlers do not follow: most applications do not have the package. */
const PACKAGE: string = "node-llama-cpp";

/**
 * The package.
 *
 * @throws ConfigError `AGEMEM_PACKAGE_MISSING` with the line that installs it
 */
export async function importLlama(): Promise<LlamaModule> {
  try {
    return (await import(PACKAGE)) as LlamaModule;
  } catch (cause) {
    throw new ConfigError(
      "AGEMEM_PACKAGE_MISSING",
      `A "gguf:" model needs ${PACKAGE}, which cannot be loaded: ${messageOf(cause).split("\n")[0]}`,
      { cause, remedy: `Run: npm install ${PACKAGE}`, details: { package: PACKAGE } },
    );
  }
}
