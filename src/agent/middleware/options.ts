/** Options of `ageMemMiddleware` and `AgeMemFilterEdit`, and their schemas. An option without a schema does not compile. */
import type { EmbeddingsInterface } from "@langchain/core/embeddings";
import type { BaseStore } from "@langchain/langgraph";
import { z } from "zod";
import {
  baseStore,
  checkOptions,
  embeddingModel,
  number,
  type OptionShape,
  oneOf,
  text,
  tokenCounting,
  whole,
} from "../../lib/check-options.js";
import { PROMPT_VARIANTS, type PromptVariant } from "../../prompts.js";
import { toolsShape } from "../../tools/option-schemas.js";
import type { MemoryToolsOptions } from "../../tools/toolkit.js";
import type { TokenCounter } from "../../types.js";
import type { ContextSize, KeepSize } from "./context-size.js";

/** Options of `ageMemMiddleware`, on top of those of the memory tools. */
export interface AgeMemMiddlewareConfig extends MemoryToolsOptions {
  /**
   * When to summarize the oldest messages without the model asking; default `{ tokens: maxTokens - responseTokens }`, or
   * never if `operations` is empty.
   */
  trigger?: ContextSize | ContextSize[];
  /** How much of the newest messages such a summary keeps; default `{ fraction: 0.5 }` of the budget. */
  keep?: KeepSize;
  /** "short" for models with a small window; default "full". */
  promptVariant?: PromptVariant;
}

/** Options of `AgeMemFilterEdit`. */
export interface AgeMemFilterEditConfig {
  /** What to remove. Lines, and clauses separated by ";", are also matched individually. */
  criteria: string;
  /** Archives what is removed, under the run's thread; a run without a thread archives nothing. */
  store: BaseStore;
  /** When to filter; default always. */
  trigger?: ContextSize | ContextSize[];
  /** Tokens that `trigger.fraction` is a share of; default 8,192. */
  maxTokens?: number;
  /** Remove passages of at least this similarity (AgeMem, eq. 15); default as measured for the embedding model. */
  theta?: number;
  /** Default: the store's own, else `LexicalEmbeddings`. */
  embeddings?: EmbeddingsInterface;
  /** Counts tokens; default `tokenCounter()`. */
  counter?: TokenCounter;
  /** Messages of at least this many tokens are filtered by passage; default 80. */
  segmentMinTokens?: number;
}

/** Checked further by `context-size.ts`, which knows what sizes mean. */
const size = z.custom<object>(
  (value) => typeof value === "object" && value !== null,
  "must be an object of sizes",
);

const middlewareOptions = z.strictObject(
  {
    ...toolsShape,
    trigger: size.optional(),
    keep: size.optional(),
    promptVariant: oneOf(PROMPT_VARIANTS).optional(),
  } satisfies OptionShape<AgeMemMiddlewareConfig>,
  "must be an object of options",
);

/** Throws `AGEMEM_CONFIG_INVALID` for a wrong or unknown option. */
export function checkMiddlewareOptions(config: AgeMemMiddlewareConfig): void {
  checkOptions(middlewareOptions, config, "ageMemMiddleware");
}

const filterEditOptions = z.strictObject(
  {
    criteria: text,
    store: baseStore,
    trigger: size.optional(),
    maxTokens: whole(1).optional(),
    theta: number(0, 1).optional(),
    embeddings: embeddingModel.optional(),
    counter: tokenCounting.optional(),
    segmentMinTokens: whole(1).optional(),
  } satisfies OptionShape<AgeMemFilterEditConfig>,
  "must be an object of options",
);

/** Throws `AGEMEM_CONFIG_INVALID` for a wrong or unknown option. */
export function checkFilterEditOptions(config: AgeMemFilterEditConfig): void {
  checkOptions(filterEditOptions, config, "AgeMemFilterEdit");
}
