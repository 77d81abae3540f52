/** Sums the cost of an episode's invocations. */
import type { AIMessage } from "@langchain/core/messages";
import type { AgentUsage } from "../../../agent/usage.js";
import { addCalls, NO_CALLS, reportedTokens } from "../../../lib/call-usage.js";
import type { UsageByOperation } from "../../../lib/usage.js";
import { type CallUsage, MEMORY_OPS } from "../../../types.js";
import type { ActorCost } from "../episode.js";

/** The cost of one episode. */
export class CostMeter {
  #policy: CallUsage = NO_CALLS;
  #auxiliary: CallUsage = NO_CALLS;
  #usages: UsageByOperation[] = [];
  #formatErrors = 0;

  /** Adds one invocation of the agent. */
  add({ policy, auxiliary, operations }: AgentUsage, formatError: boolean): void {
    this.#policy = addCalls(this.#policy, policy);
    this.#auxiliary = addCalls(this.#auxiliary, auxiliary);
    this.#usages.push(operations);
    if (formatError) this.#formatErrors++;
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
    };
  }
}
