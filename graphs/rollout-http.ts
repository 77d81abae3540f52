/**
 * The streaming side of the rollout service: `POST /rollouts` beside LangGraph's own routes.
 *
 * The `http.app` of `langgraph.rollout.json`. Opens nothing at import: embeddings are opened with the first request, and what
 * requests roll out is kept in AGEMEM_ROLLOUT_FOLDER, default `.agemem/rollouts`.
 */
import { Hono } from "hono";
import { createRolloutService } from "../src/training.js";
import { onceOnHost } from "./rollout-host.js";

const service = onceOnHost((host) =>
  createRolloutService({ ...host, folder: process.env.AGEMEM_ROLLOUT_FOLDER || ".agemem/rollouts" }),
);

export const app = new Hono();
app.all("/rollouts", async ({ req }) => (await service()).fetch(req.raw));
app.all("/rollouts/*", async ({ req }) => (await service()).fetch(req.raw));
