/**
 * What runs the agent in a stage of a rollout: the interface that the plain loop and the graph share.
 *
 * A driver behaves like `createAgeMemAgent`: the same nodes in the same order, the same reducers and final state, the
 * same messages to the model, and the same events to callback handlers, with run ids, parents, names, tags and
 * metadata. `tests/rollout/driver` runs both over the same episodes and compares. A driver need not support
 * checkpoints, interrupts, streaming, the application's tools or LangSmith's run trees: rollouts use none of them, and
 * while tracing is on they use the graph.
 *
 * The loop (`loop.ts`) relies on these internals of LangChain, which are the same in core 1.2 and 1.4:
 * - `BaseChatModel._generate(messages, options)` and its result; `BaseChatOpenAI`'s field `defaultOptions`, which holds
 *   bound options; `RunnableBinding`'s `bound`, `kwargs`, `config` and `configFactories` (`model-call.ts`)
 * - the run-time arguments of `handleChainStart`, which differ from the declared ones; `CallbackManager(runId,
 *   { handlers, inheritableHandlers })` and its `getParentRunId()` (`callback-events.ts`)
 *
 * It breaks when LangChain changes one of these, or adds a step around `_generate`. The comparing tests therefore run
 * on both ends of the peer ranges (`npm run test:matrix`), and a model with its own `invoke`, cache, callbacks or
 * output version is called through `invoke`. The setting `driver: "graph"` avoids the loop altogether.
 */
import type { BaseCallbackHandler } from "@langchain/core/callbacks/base";
import type { BaseStore } from "@langchain/langgraph";
import type { AgentContextValue } from "../../agent/options.js";
import type { AgentStateUpdate, AgentStateValue } from "../../agent/state.js";

/** What an invocation gets beside the state. */
export interface DriverRun {
  context?: AgentContextValue & Record<string, unknown>;
  configurable?: Record<string, unknown>;
  metadata?: Record<string, unknown>;
  tags?: string[];
  runName?: string;
  /** Notified of the run, its nodes, model calls and memory operations. Each handler is awaited and may throw. */
  callbacks?: BaseCallbackHandler[];
  /** When it aborts, its reason is thrown at once. */
  signal?: AbortSignal;
  /** Long-term memory of this invocation; default the driver's own. */
  store?: BaseStore;
}

/** An agent that is invoked like the graph. */
export interface AgentDriver {
  /** Runs until the final answer or another end, such as the step limit. Errors: as `createAgeMemAgent`'s `invoke`. */
  invoke(input: AgentStateUpdate, run?: DriverRun): Promise<AgentStateValue>;
}
