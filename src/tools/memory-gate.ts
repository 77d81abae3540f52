/** The node that a graph of one's own begins with: whose run it is, before a model is asked. */
import type { LangGraphRunnableConfig } from "@langchain/langgraph";
import type { NamespaceTemplate } from "../lib/namespace.js";
import { ownerOf } from "../lib/run-owner.js";
import { DEFAULT_NAMESPACE } from "./toolkit.js";

/**
 * A node that goes before the model in a graph that uses `createMemoryTools`. The tools themselves look at the namespace
 * when the model calls one of them, which is after it was asked. Lead the way back from the tools through it too: a run
 * that is resumed begins there.
 *
 * Where the state has a `memoryOwner` (as that of `AgentState`), the thread belongs to the user of its first run.
 *
 * @param options the template that the tools were given
 * @returns a node that fails with `AGEMEM_NAMESPACE_VALUE_MISSING` for a run that does not say whose memory it is, and
 * with `AGEMEM_THREAD_OWNER` for a run on another user's thread
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
