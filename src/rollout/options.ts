/** Options of a rollout run. The defaults are the paper's settings where it gives them. */
import type { EmbeddingsInterface } from "@langchain/core/embeddings";
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { type ContextBudget, DEFAULT_BUDGET } from "../context/budget.js";
import type { AdvantageOptions, AdvantagePreset } from "../grpo.js";
import type { PromptVariant } from "../prompts.js";
import type { Judge } from "../rewards/judge.js";
import type { RewardOptions } from "../rewards/reward.js";
import type { EngineRecord } from "../trajectory/schema-parts.js";
import type { MemoryOp, SearchMode, TokenCounter, VersionedStore } from "../types.js";
import type { RolloutPreset } from "./presets/presets.js";

/** Which rollout is meant. Everything random in it derives from `seed`. */
export interface RolloutIdentity {
  taskId: string;
  groupId: string;
  rolloutId: string;
  /** 0..K-1. */
  index: number;
  /** Text seed, different for each rollout of a run and equal in a repeated run. */
  seed: string;
}

/** Settings of {@link runRollouts}. */
export interface RolloutOptions {
  /** The acting model of one rollout. A served model may ignore the identity; the rule-based policy uses its seed. */
  policy: (rollout: RolloutIdentity) => BaseChatModel;
  /** What every rollout starts from; each writes to its own fork, which is discarded after scoring. */
  store: VersionedStore;
  judge: Judge;
  /** Rollouts per task (K); default 8 (AgeMem, appendix C). */
  k?: number;
  /** Whole recipe; default "paper". What is given beside it wins. See `docs/rewards.md`. */
  preset?: RolloutPreset;
  /** Turns per stage (N_max); default 10, "official" 5. The paper gives no figure. */
  maxTurns?: number;
  /** Most model calls per message in stages 1 and 2; default 1, "official" 5. */
  messageRounds?: number;
  /**
   * What a response without a tool call ends in stages 1 and 2. "stage" (default, the paper's algorithms): the stage,
   * so that its remaining passages are never shown. "message" (the authors' released code; "official", "agemem"): only
   * the calls for that message.
   */
  earlyAnswer?: "stage" | "message";
  /**
   * How the task is told: "passages" (default), one message each, context in stage 1 and distractors in stage 2; "together"
   * ("official"), all in one message of stage 1, and small talk in stage 2.
   */
  told?: "passages" | "together";
  /** Whether each message of stage 1 comes with what long-term memory holds about it; default true, "official" false. */
  introspection?: boolean;
  /** Most messages of stage 2; default all, "official" 3. */
  maxDistractors?: number;
  /**
   * Counterfactual groups: the model calls of a shared beginning, after which the K rollouts of a task go on from the same context
   * and long-term memory. Default: none, each rollout is its own from the start.
   */
  branchAt?: number;
  /** T_max and the response limit; default 8,192 and 2,048 tokens. See {@link budgetOf}. */
  budget?: Partial<ContextBudget>;
  /** Memories shown with each message of stage 1, and by a RETRIEVE that names no number; default 3. */
  topK?: number;
  /** How memories are ranked, in stage 1 and by RETRIEVE; default "hybrid" where the store supports it. */
  searchMode?: SearchMode;
  protocol?: "native" | "text";
  /** Asks for a `<think>` part in native tool calling; default false. See `AgeMemAgentOptions.think`. */
  think?: boolean;
  /** Guidance in the system prompt; default "full". Evaluate a policy with the variant it was trained on. */
  promptVariant?: PromptVariant;
  /**
   * Memory operations offered; default all six. Without ADD, UPDATE and DELETE nothing is retrieved in stage 1, and
   * stage 2 keeps the context. An empty list gives a policy without memory, whose prompts do not mention one.
   */
  operations?: readonly MemoryOp[];
  /** What is known about the policy's server, for the record. */
  engine?: EngineRecord;
  summarizer?: BaseChatModel;
  embeddings?: EmbeddingsInterface;
  /** Name of the model behind the store's vectors, kept in each trajectory's metadata. */
  embeddingName?: string;
  /** Counts the context where the server reports no usage. Default: as for the agent, `tokenCounter()`. */
  counter?: TokenCounter;
  reward?: RewardOptions;
  advantage?: AdvantageOptions | AdvantagePreset;
  /** Root of all seeds; default 0. */
  seed?: number | string;
  /** Concurrent rollouts; default 4. For a served policy see `rolloutsFor`. */
  concurrency?: number;
  /** Limit of one rollout in milliseconds of wall-clock time; default 600,000 (10 minutes). */
  timeoutMs?: number;
  /** Version number of the policy's weights, for the record. */
  policyVersion?: number;
  /**
   * What runs the agent: a plain "loop", or the LangGraph "graph" that is deployed, at two to three times the processor
   * time. The records are the same. Default "loop", or "graph" while LangSmith tracing is on, which needs it.
   */
  driver?: "loop" | "graph";
  /** Name of the run; part of every id. Default "run". */
  runName?: string;
  signal?: AbortSignal;
}

/** The budget for a given T_max. A quarter of it, at most the paper's 2,048 tokens, is kept for the response. */
export function budgetOf(maxTokens: number): ContextBudget {
  return {
    maxTokens,
    responseTokens: Math.min(DEFAULT_BUDGET.responseTokens, Math.floor(maxTokens / 4)),
  };
}
