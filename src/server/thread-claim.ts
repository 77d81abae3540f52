/**
 * Checks whose thread it is before a served run writes anything to it.
 *
 * The graph's nodes refuse another user's run, but by then the run's input is already in the thread, and a thread's first
 * checkpoint is written before any node runs. So this file reads the newest checkpoint first, and writes the owner into
 * the input of a thread's first run. Leaves out the rule itself (`lib/run-owner.ts`) and reading a thread, which runs no
 * graph (`owned-by-users.ts`).
 */
import type { BaseCheckpointSaver } from "@langchain/langgraph";
import type { AgeMemAgent } from "../agent/agent.js";
import { forClients } from "../errors.js";
import type { NamespaceTemplate } from "../lib/namespace.js";
import { ownerOf, type RunSource } from "../lib/run-owner.js";

type Stream = (input: unknown, options?: RunSource) => Promise<unknown>;

/**
 * Makes the runs of a graph claim their thread first. It modifies the given graph, because the server sets the
 * checkpointer on that object. `invoke` and `streamEvents` call `stream`, so they are covered.
 *
 * A run fails with `AGEMEM_THREAD_OWNER` on another user's thread, and with `AGEMEM_NAMESPACE_VALUE_MISSING` or
 * `AGEMEM_AUTH_REQUIRED` if it does not say whose it is.
 *
 * @param template the namespace template of the agent's memories, whose values tell users apart
 */
export function claimThreads(agent: AgeMemAgent, template: NamespaceTemplate): AgeMemAgent {
  const stream = agent.stream.bind(agent) as unknown as Stream;
  const claiming: Stream = async (input, options = {}) => {
    let claimed: unknown;
    try {
      const { checkpointer } = agent;
      const known = isSaver(checkpointer) ? await ownerOfThread(checkpointer, options) : null;
      const { owner } = ownerOf(template, options, known);
      claimed = known === null && isPlain(input) ? { ...input, memoryOwner: owner } : input;
    } catch (error) {
      throw forClients(error);
    }
    return stream(claimed, options);
  };
  return Object.assign(agent, { stream: claiming as unknown as AgeMemAgent["stream"] });
}

/** The owner named by the newest checkpoint, in its state or in an input that no node has seen yet. */
async function ownerOfThread(
  saver: BaseCheckpointSaver,
  { configurable }: RunSource,
): Promise<string | null> {
  const threadId = configurable?.thread_id;
  if (threadId === undefined) return null;
  const newest = await saver.getTuple({ configurable: { thread_id: threadId, checkpoint_ns: "" } });
  const { memoryOwner, __start__: input } = newest?.checkpoint.channel_values ?? {};
  const named = [memoryOwner, isPlain(input) ? input.memoryOwner : undefined];
  return named.find((owner): owner is string => typeof owner === "string") ?? null;
}

function isSaver(checkpointer: AgeMemAgent["checkpointer"]): checkpointer is BaseCheckpointSaver {
  return typeof checkpointer === "object" && checkpointer !== null;
}

/** Whether the input is a plain object of state fields rather than a command. */
function isPlain(input: unknown): input is Record<string, unknown> {
  return typeof input === "object" && input !== null && Object.getPrototypeOf(input) === Object.prototype;
}
