/** Options of `ageMemMiddleware` and `AgeMemFilterEdit`, and what they may be: an option without a schema does not compile. */
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
   * When the oldest messages are summarized without being asked; default `{ tokens: maxTokens - responseTokens }`, never where
   * `operations` is empty.
   */
  trigger?: ContextSize | ContextSize[];
  /** What such a summary leaves as it is; default `{ fraction: 0.5 }` of the budget. */
  keep?: KeepSize;
  /** "short" for models with a small window; default "full". */
  promptVariant?: PromptVariant;
}

/** Options of `AgeMemFilterEdit`. */
export interface AgeMemFilterEditConfig {
  /** What to remove: lines or clauses separated by ";" are matched on their own as well. */
  criteria: string;
  /** Where what goes is archived, under the run's thread; a run without a thread archives nothing. */
  store: BaseStore;
  /** When to filter; default always. */
  trigger?: ContextSize | ContextSize[];
  /** Tokens that `trigger.fraction` is a share of; default 8,192. */
  maxTokens?: number;
  /** Similarity from which a passage goes (AgeMem, eq. 15); default as measured for the embedding model. */
  theta?: number;
  /** Default: the store's own, lexical ones where it has none. */
  embeddings?: EmbeddingsInterface;
  counter?: TokenCounter;
  /** Messages of at least this many tokens are filtered by passage; default 80. */
  segmentMinTokens?: number;
}

/** Sizes are looked at by `context-size.ts`, which knows what they mean. */
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

/** Errors: `AGEMEM_CONFIG_INVALID`. */
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

/** Errors: `AGEMEM_CONFIG_INVALID`. */
export function checkFilterEditOptions(config: AgeMemFilterEditConfig): void {
  checkOptions(filterEditOptions, config, "AgeMemFilterEdit");
}
