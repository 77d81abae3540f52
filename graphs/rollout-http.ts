/**
 * The streaming side of the rollout service: `POST /rollouts` beside LangGraph's own routes.
 *
 * The `http.app` of `langgraph.rollout.json`. Opens nothing at import: embeddings are opened with the first request, and what
 * requests roll out is kept in AGEMEM_ROLLOUT_FOLDER, default `.agemem/rollouts`.
 */
import { Hono } from "hono";
import { FaissStore, resolveEmbeddings, tokenCounter } from "../src/index.js";
import { createRolloutService } from "../src/training.js";

type Service = ReturnType<typeof createRolloutService>;
let opened: Promise<Service> | undefined;

/** Once per process; a failed opening is tried again at the next request. */
function service(): Promise<Service> {
  // A key in the environment must not change what a policy is trained on: only AGEMEM_EMBEDDINGS names a remote model.
  opened ??= resolveEmbeddings(process.env.AGEMEM_EMBEDDINGS?.trim() || "lexical")
    .then(({ embeddings, name: embeddingName }) =>
      createRolloutService({
        openStore: () =>
          FaissStore.open(":memory:", { index: { embeddings, embeddingName, fields: ["content"] } }),
        folder: process.env.AGEMEM_ROLLOUT_FOLDER || ".agemem/rollouts",
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

export const app = new Hono();
app.all("/rollouts", async ({ req }) => (await service()).fetch(req.raw));
app.all("/rollouts/*", async ({ req }) => (await service()).fetch(req.raw));
