/** Sums the cost of an episode's invocations, and what its model was shown of long-term memory. */
import { type AIMessage, type BaseMessage, isToolMessage } from "@langchain/core/messages";
import type { AgentUsage } from "../../../agent/usage.js";
import { addCalls, NO_CALLS, reportedTokens } from "../../../lib/call-usage.js";
import type { UsageByOperation } from "../../../lib/usage.js";
import { type CallUsage, MEMORY_OPS, type MemoryOpOutcome, type TokenCounter } from "../../../types.js";
import type { ActorCost } from "../episode.js";

/** The cost of one episode. */
export class CostMeter {
  #policy: CallUsage = NO_CALLS;
  #auxiliary: CallUsage = NO_CALLS;
  #usages: UsageByOperation[] = [];
  #formatErrors = 0;
  readonly #recalled = { memories: 0, tokens: 0 };

  constructor(private readonly counter: TokenCounter) {}

  /** Adds one invocation of the agent. */
  add({ policy, auxiliary, operations }: AgentUsage, formatError: boolean): void {
    this.#policy = addCalls(this.#policy, policy);
    this.#auxiliary = addCalls(this.#auxiliary, auxiliary);
    this.#usages.push(operations);
    if (formatError) this.#formatErrors++;
  }

  /** Adds memories that were shown beside the context. */
  addShown(memories: readonly string[]): void {
    this.#recalled.memories += memories.length;
    for (const text of memories) this.#recalled.tokens += this.counter.countText(text);
  }

  /** Adds the results of RETRIEVE among new messages. */
  addRetrieved(messages: readonly BaseMessage[]): void {
    for (const message of messages) {
      const done = isToolMessage(message) ? (message.artifact as MemoryOpOutcome | undefined) : undefined;
      if (done?.op !== "RETRIEVE" || !done.ok) continue;
      this.#recalled.memories += done.memoryIds.length;
      if (done.memoryIds.length > 0) this.#recalled.tokens += this.counter.countText(message.text);
    }
  }

  /** Adds one call of a model without an agent. */
  addCall(response: AIMessage, latencyMs: number): void {
    this.#policy = addCalls(this.#policy, { ...reportedTokens(response), latencyMs });
  }

  cost(): ActorCost {
    const operations: ActorCost["operations"] = {};
    for (const usage of this.#usages) {
      for (const op of MEMORY_OPS) {
        const { operations: calls = 0, refused = 0 } = usage[op] ?? {};
        if (calls === 0) continue;
        const known = operations[op] ?? { calls: 0, refused: 0 };
        operations[op] = { calls: known.calls + calls, refused: known.refused + refused };
      }
    }
    return {
      policy: this.#policy,
      auxiliary: this.#auxiliary,
      operations,
      formatErrors: this.#formatErrors,
      recalled: { ...this.#recalled },
    };
  }
}
