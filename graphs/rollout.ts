/**
 * The rollout service of `langgraph.rollout.json`: a trainer sends tasks and its policy's endpoint and gets scored groups.
 *
 * A factory without I/O at import. Embeddings are those the environment names, opened once per process.
 */
import { createRolloutGraph } from "../src/training.js";
import { onceOnHost } from "./rollout-host.js";

const opened = onceOnHost(createRolloutGraph);

/** Called by the server per run. */
export function graph(): Promise<ReturnType<typeof createRolloutGraph>> {
  return opened();
}
