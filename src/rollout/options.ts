/** What a rollout run can be told, with the paper's settings as defaults. */
import type { EmbeddingsInterface } from "@langchain/core/embeddings";
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { type ContextBudget, DEFAULT_BUDGET } from "../context/budget.js";
import type { AdvantageOptions, AdvantagePreset } from "../grpo.js";
import type { PromptVariant } from "../prompts.js";
import type { Judge } from "../rewards/judge.js";
import type { RewardOptions } from "../rewards/reward.js";
import type { EngineRecord } from "../trajectory/schema-parts.js";
import type { MemoryOp, SearchMode, TokenCounter, VersionedStore } from "../types.js";

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
  /** The acting model of one rollout. A served model may ignore the identity; the rule policy takes its seed. */
  policy: (rollout: RolloutIdentity) => BaseChatModel;
  /** Base of every rollout; each writes to its own fork, which is discarded after scoring. */
  store: VersionedStore;
  judge: Judge;
  /** Rollouts per task (K); default 8 (AgeMem, appendix C). */
  k?: number;
  /** Turns per stage (N_max); default 10. The paper gives no figure. */
  maxTurns?: number;
  /** Model calls that one message of stages 1 and 2 may take; default 1. The authors' released code: 5. */
  messageRounds?: number;
  /**
   * What a response without a tool call ends in stages 1 and 2: the "stage" (the paper's algorithms, default), so that
   * the passages after it are never shown, or the calls for its "message" (the authors' released code).
   */
  earlyAnswer?: "stage" | "message";
  /** T_max and the response limit; default 8,192 and 2,048 tokens. See {@link budgetOf}. */
  budget?: Partial<ContextBudget>;
  /** Memories shown with each message of stage 1; default 3. */
  topK?: number;
  /** How memories are ranked, in stage 1 and by RETRIEVE; default "hybrid" where the store has it. */
  searchMode?: SearchMode;
  protocol?: "native" | "text";
  /** Guidance in the system prompt; default "full". Evaluate a policy with the variant it was trained on. */
  promptVariant?: PromptVariant;
  /**
   * Memory operations offered; default all six. Without ADD, UPDATE and DELETE nothing is retrieved in stage 1 and stage 2 keeps
   * the context; an empty list is a policy without memory, to which nothing speaks of one.
   */
  operations?: readonly MemoryOp[];
  /** What is known of the policy's server, for the record. */
  engine?: EngineRecord;
  summarizer?: BaseChatModel;
  embeddings?: EmbeddingsInterface;
  /** Counts the context where the server reports no usage. Default: as for the agent, `tokenCounter()`. */
  counter?: TokenCounter;
  reward?: RewardOptions;
  advantage?: AdvantageOptions | AdvantagePreset;
  /** Root of all seeds; default 0. */
  seed?: number | string;
  /** Rollouts under way at once; default 4. For a served policy see `rolloutsFor`. */
  concurrency?: number;
  /** Wall-time limit of one rollout in milliseconds; default 10 minutes. */
  timeoutMs?: number;
  /** Number of the weights behind the policy, for the record. */
  policyVersion?: number;
  /**
   * How the agent is driven: as a plain "loop", or as the LangGraph "graph" that is deployed, at several times the
   * processor time. Records are the same. Default "loop", or "graph" while LangSmith tracing is on, which needs it.
   */
  driver?: "loop" | "graph";
  /** Name of the run; part of every id. Default "run". */
  runName?: string;
  signal?: AbortSignal;
}

/** The budget of a given T_max: a quarter of it is kept for the response, at most the paper's 2,048 tokens. */
export function budgetOf(maxTokens: number): ContextBudget {
  return {
    maxTokens,
    responseTokens: Math.min(DEFAULT_BUDGET.responseTokens, Math.floor(maxTokens / 4)),
  };
}
