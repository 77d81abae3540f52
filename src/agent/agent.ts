/**
 * The ready-made agent: think -> tool -> think … -> answer.
 *
 * Owns the wiring. Leaves out the nodes, which have a file each (`nodes/`).
 */
import { END, START, StateGraph } from "@langchain/langgraph";
import { forClients } from "../errors.js";
import { isServed } from "../lib/run-owner.js";
import { droppingUnused } from "./branches/memory-branch.js";
import { answerNode } from "./nodes/answer.js";
import { afterThink, afterTool } from "./nodes/routes.js";
import { thinkNode } from "./nodes/think.js";
import { toolNode } from "./nodes/tool.js";
import { checkAgentOptions } from "./option-schemas.js";
import { type AgeMemAgentOptions, AgentContext, INHERITED } from "./options.js";
import { OwnerChannel } from "./owner-channel.js";
import { type AgentParts, createParts } from "./parts.js";
import { AgentState } from "./state.js";

/**
 * Builds an agent that manages its own memory: it offers six memory tools beside your own, keeps short-term memory
 * within a token budget, and keeps long-term memory in `store`.
 *
 * The result is a compiled LangGraph graph: `invoke`, `stream`, checkpoints and interrupts work as usual. The run
 * must supply the values its namespace template names (default `user_id`), in `context` or `configurable`. After an
 * invocation the state's `finalAnswer` is the final text, and `status` says how it ended ("answered", "max_steps",
 * "format_error"; "running" while it waits for approval). The answer of a tool with `returnDirect` is the final answer.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for wrong, unknown or contradictory options. A run throws store failures
 * (`AGEMEM_STORE_*`), model failures (`AGEMEM_MODEL_*`), `AGEMEM_NAMESPACE_VALUE_MISSING`, and `AGEMEM_THREAD_OWNER`
 * on another user's thread.
 *
 * @example
 * const agent = createAgeMemAgent({ model, store });
 * const { finalAnswer } = await agent.invoke({ messages: ["I moved to Lisbon."] }, { context: { user_id: "ada" } });
 */
export function createAgeMemAgent<T extends Record<string, unknown> = Record<string, unknown>>(
  options: AgeMemAgentOptions<T>,
): AgeMemAgent<T> {
  checkAgentOptions(options);
  return buildGraph(options) as AgeMemAgent<T>;
}

function buildGraph(options: AgeMemAgentOptions) {
  const parts = createParts(options);
  const { checkpointer } = options;
  const graph = new StateGraph({ state: AgentState, context: AgentContext })
    .addNode("think", told(withOwnMemory(parts, thinkNode)))
    .addNode("tool", told(withOwnMemory(parts, toolNode)))
    .addNode("answer", told(answerNode(parts)))
    .addEdge(START, "think")
    .addConditionalEdges("think", (state, config) => afterThink(parts, state, config), ["tool", "answer"])
    .addConditionalEdges("tool", (state, config) => afterTool(parts, state, config), [
      "tool",
      "think",
      "answer",
    ])
    .addEdge("answer", END);
  Object.assign(graph.channels, { memoryOwner: new OwnerChannel() });
  return (
    graph
      .compile({
        name: options.name ?? "agemem",
        store: options.store,
        // Without one, LangGraph uses the parent graph's.
        ...(checkpointer && checkpointer !== INHERITED ? { checkpointer } : {}),
      })
      // `maxSteps` ends a run; the graph's own limit must be high enough not to stop responses with many calls.
      .withConfig({ recursionLimit: 50 * (options.maxSteps ?? 10) })
  );
}

/** A node that, if it fails, discards the memory branch it forked. */
function withOwnMemory(parts: AgentParts, make: typeof thinkNode | typeof toolNode): ReturnType<typeof make> {
  return (state, config) =>
    droppingUnused(parts.memory, (memory) => make({ ...parts, memory })(state, config));
}

/** A node whose errors carry code and remedy in their message on a server, whose clients see nothing else. */
function told(node: ReturnType<typeof thinkNode>): ReturnType<typeof thinkNode> {
  return async (state, config) => {
    try {
      return await node(state, config);
    } catch (error) {
      throw isServed(config) ? forClients(error) : error;
    }
  };
}

type Graph = ReturnType<typeof buildGraph>;
type Result = Awaited<ReturnType<Graph["invoke"]>>;

/** The compiled graph {@link createAgeMemAgent} returns; `T` is what `responseFormat` describes. */
export type AgeMemAgent<T extends Record<string, unknown> = Record<string, unknown>> = {
  invoke(
    ...args: Parameters<Graph["invoke"]>
  ): Promise<Omit<Result, "structuredResponse"> & { structuredResponse: T | null }>;
} & Graph;
