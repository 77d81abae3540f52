/**
 * The rollout service of `langgraph.rollout.json`: a trainer sends tasks and its policy's endpoint and gets scored groups.
 *
 * A factory without I/O at import. Embeddings are those the environment names, opened once per process.
 */
import { FaissStore, resolveEmbeddings, tokenCounter } from "../src/index.js";
import { createRolloutGraph } from "../src/training.js";

let opened: Promise<ReturnType<typeof createRolloutGraph>> | undefined;

/** Called by the server per run; a failed opening is tried again at the next one. */
export function graph(): Promise<ReturnType<typeof createRolloutGraph>> {
  // A key in the environment must not change what a policy is trained on: only AGEMEM_EMBEDDINGS names a remote model.
  opened ??= resolveEmbeddings(process.env.AGEMEM_EMBEDDINGS?.trim() || "lexical")
    .then(({ embeddings, name: embeddingName }) =>
      createRolloutGraph({
        openStore: () =>
          FaissStore.open(":memory:", { index: { embeddings, embeddingName, fields: ["content"] } }),
        counterFor: tokenCounter,
        embeddings: embeddingName,
      }),
    )
    .catch((error) => {
      opened = undefined;
      throw error;
    });
  return opened;
}
