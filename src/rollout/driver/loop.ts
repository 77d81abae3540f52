/**
 * The agent without a graph: the same nodes and reducers in a plain loop.
 *
 * For runs without checkpoints, interrupts and tracing, such as rollouts: it saves the scheduler's part of a step.
 * State, messages and callback events equal those of `createAgeMemAgent` (`agent-driver.ts` says what that means and
 * relies on). Leaves out the application's tools and approvals.
 */
import type { BaseMessage } from "@langchain/core/messages";
import { answerNode } from "../../agent/nodes/answer.js";
import { afterThink, afterTool } from "../../agent/nodes/routes.js";
import { thinkNode } from "../../agent/nodes/think.js";
import { toolNode } from "../../agent/nodes/tool.js";
import type { AgeMemAgentOptions } from "../../agent/options.js";
import { createParts } from "../../agent/parts.js";
import {
  type AgentStateUpdate,
  type AgentStateValue,
  initialState,
  newer,
  reduceMessages,
} from "../../agent/state.js";
import { reduceFacts } from "../../context/budget.js";
import type { MessageFacts, StoreVersion } from "../../types.js";
import type { AgentDriver, DriverRun } from "./agent-driver.js";
import { managerOf, runChain, runMemoryOperation } from "./callback-events.js";
import { askDirectly } from "./model-call.js";

/** Options of {@link createAgentLoop}: the agent's, without those that need a graph. */
type AgentLoopOptions = Omit<
  AgeMemAgentOptions,
  "tools" | "interruptOn" | "checkpointer" | "memoryConsistency" | "responseFormat"
>;

/**
 * Builds the loop. Model and tools are set up once; each invocation may bring its own store.
 *
 * Errors: as `createAgeMemAgent`.
 *
 * @example
 * const agent = createAgentLoop({ model, store });
 * const { finalAnswer } = await agent.invoke({ messages: [new HumanMessage("Hi")] }, { context: { user_id: "ada" } });
 */
export function createAgentLoop(options: AgentLoopOptions): AgentDriver {
  const parts = createParts(options, { ask: askDirectly, run: runMemoryOperation });
  const name = options.name ?? "agemem";
  return {
    invoke: (input, run = {}) => {
      const own = { ...parts, memory: () => run.store ?? parts.kit.store };
      return untilAborted(run.signal, () => drive(own, name, input, run));
    },
  };
}

type Parts = ReturnType<typeof createParts>;

function drive(
  parts: Parts,
  name: string,
  input: AgentStateUpdate,
  run: DriverRun,
): Promise<AgentStateValue> {
  const { callbacks: handlers = [], metadata = {}, tags = [], signal } = run;
  const nodes = { think: thinkNode(parts), tool: toolNode(parts), answer: answerNode(parts) };
  const root = { name: run.runName ?? name, tags, metadata, input };
  return runChain(handlers, root, async (rootId) => {
    let state = applyUpdate(initialState(), input);
    let next: keyof typeof nodes | "end" = "think";
    for (let step = 1; next !== "end"; step++) {
      signal?.throwIfAborted();
      const node: keyof typeof nodes = next;
      const placed = { ...metadata, langgraph_step: step, langgraph_node: node };
      const chain = { parentId: rootId, name: node, tags, metadata: placed, input: state };
      const update = await runChain(handlers, chain, (runId) =>
        nodes[node](state, { ...run, tags, metadata: placed, callbacks: managerOf(runId, handlers) }),
      );
      state = applyUpdate(state, update);
      next =
        node === "think"
          ? afterThink(parts, state, run)
          : node === "tool"
            ? afterTool(parts, state, run)
            : "end";
    }
    return state;
  });
}

/** Applies an update as the graph's channels do. */
export function applyUpdate(state: AgentStateValue, update: AgentStateUpdate): AgentStateValue {
  const { messages, contextFacts, ltmVersion, ...values } = update;
  return {
    ...state,
    ...(values as Partial<AgentStateValue>),
    ...(messages === undefined
      ? {}
      : { messages: reduceMessages(state.messages, messages as BaseMessage[]) }),
    ...(contextFacts === undefined
      ? {}
      : { contextFacts: reduceFacts(state.contextFacts, contextFacts as MessageFacts) }),
    ...(ltmVersion === undefined
      ? {}
      : { ltmVersion: newer(state.ltmVersion, ltmVersion as StoreVersion | null) }),
  };
}

/** Rejects as soon as the signal aborts, as a graph does, even if the model ignores the signal. */
function untilAborted<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  if (!signal) return work();
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    work()
      .then(resolve, reject)
      .finally(() => signal.removeEventListener("abort", stop));
  });
}
