/**
 * What both sides of the rollout service run on: an empty store per run, token counters, and the environment's embeddings.
 *
 * Opens nothing at import. Leaves out the graph (`rollout.ts`) and the streaming routes (`rollout-http.ts`).
 */
import { FaissStore, resolveEmbeddings, tokenCounter } from "../src/index.js";

async function openHost() {
  // A key in the environment must not change what a policy is trained on: only AGEMEM_EMBEDDINGS names a remote model.
  const named = process.env.AGEMEM_EMBEDDINGS?.trim() || "lexical";
  const { embeddings, name: embeddingName } = await resolveEmbeddings(named);
  const index = { embeddings, embeddingName, fields: ["content"] };
  return {
    openStore: () => FaissStore.open(":memory:", { index }),
    counterFor: tokenCounter,
    embeddings: embeddingName,
  };
}

/** Opens once per process what `make` gives; a failed opening is tried again at the next call. */
export function onceOnHost<T>(make: (host: Awaited<ReturnType<typeof openHost>>) => T): () => Promise<T> {
  let opened: Promise<T> | undefined;
  return () => {
    opened ??= openHost()
      .then(make)
      .catch((error) => {
        opened = undefined;
        throw error;
      });
    return opened;
  };
}
