/**
 * What drives the agent through one stage of a rollout: the interface of the plain loop and of the graph.
 *
 * A driver promises what `createAgeMemAgent` does: the same nodes in the same order, the same reducers, the same final
 * state, the same messages sent to the model, and the same events to callback handlers with run ids, parents, names,
 * tags and metadata. `tests/rollout/driver` runs both over the same episodes and compares. A driver does not
 * promise checkpoints, interrupts, streaming, own tools or LangSmith's run trees; rollouts use none of them, and where
 * tracing is on the graph drives.
 *
 * The loop (`loop.ts`) leans on these internals of LangChain, seen alike in core 1.2 and 1.4:
 * - `BaseChatModel._generate(messages, options)` and its result; `BaseChatOpenAI`'s field `defaultOptions`, where bound
 *   options are kept; `RunnableBinding`'s `bound`, `kwargs`, `config` and `configFactories` (`model-call.ts`)
 * - the run-time arguments of `handleChainStart`, which differ from the declared ones; `CallbackManager(runId,
 *   { handlers, inheritableHandlers })` and its `getParentRunId()` (`callback-events.ts`)
 *
 * It breaks when LangChain moves one of these, or adds a step around `_generate`. A model whose `invoke`, cache,
 * callbacks or output version are not LangChain's own is therefore invoked as always, and the comparing tests run on
 * both ends of the peer ranges (`npm run test:matrix`). The setting `driver: "graph"` uses the graph instead.
 */
import type { BaseCallbackHandler } from "@langchain/core/callbacks/base";
import type { BaseStore } from "@langchain/langgraph";
import type { AgentContextValue } from "../../agent/options.js";
import type { AgentStateUpdate, AgentStateValue } from "../../agent/state.js";

/** What one invocation is given beside the state. */
export interface DriverRun {
  context?: AgentContextValue & Record<string, unknown>;
  configurable?: Record<string, unknown>;
  metadata?: Record<string, unknown>;
  tags?: string[];
  runName?: string;
  /** Told of the run, its nodes, model calls and memory operations; each is awaited and may throw. */
  callbacks?: BaseCallbackHandler[];
  /** Its reason is thrown as soon as it aborts. */
  signal?: AbortSignal;
  /** Long-term memory of this invocation; default the driver's own. */
  store?: BaseStore;
}

/** An agent that is invoked like the graph. */
export interface AgentDriver {
  /** Runs to the final answer, or to whatever else ends the agent. Errors: as `createAgeMemAgent`'s `invoke`. */
  invoke(input: AgentStateUpdate, run?: DriverRun): Promise<AgentStateValue>;
}
