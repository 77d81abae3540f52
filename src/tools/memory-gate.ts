/** The first node of a custom graph: checks whose memory the run uses before any model is called. */
import type { LangGraphRunnableConfig } from "@langchain/langgraph";
import type { NamespaceTemplate } from "../lib/namespace.js";
import { ownerOf } from "../lib/run-owner.js";
import { DEFAULT_NAMESPACE } from "./toolkit.js";

/**
 * A node to place before the model in a graph that uses `createMemoryTools`. The tools check the namespace only when
 * the model calls one, and by then the model has been paid for. Route the edge from the tools back through this node
 * too, because a resumed run starts there.
 *
 * If the state has `memoryOwner` (as `AgentState` has), the thread belongs to the user of its first run.
 *
 * @param options the namespace template that the tools were given; default `["memories", "{user_id}"]`
 * @returns a node that fails with `AGEMEM_NAMESPACE_VALUE_MISSING` if the run does not say whose memory it uses, and
 * with `AGEMEM_THREAD_OWNER` on another user's thread
 * @example
 * new StateGraph(MessagesAnnotation).addNode("whose", memoryGate()).addEdge(START, "whose").addEdge("whose", "model")
 *   .addEdge("tools", "whose");
 */
export function memoryGate({ namespace = DEFAULT_NAMESPACE }: { namespace?: NamespaceTemplate } = {}) {
  return (state: object, config: LangGraphRunnableConfig): Record<string, string> => {
    const { memoryOwner } = state as { memoryOwner?: string | null };
    const { owner } = ownerOf(namespace, config, memoryOwner);
    return memoryOwner === null ? { memoryOwner: owner } : {};
  };
}
