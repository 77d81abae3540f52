/**
 * The deployable agent of `langgraph.json`: `createAgeMemAgent` on what the environment names, as the operator sets it.
 *
 * A factory without I/O at import, but for a warning where runs may name their user themselves. `AGEMEM_STORE` must be set,
 * except under `langgraphjs dev`: a container's disk is not a volume. The tools hold the store themselves, because the
 * server replaces the one a graph was compiled with.
 */
import { servedAgent } from "../src/server.js";

/** Called by the server per run. */
export const graph = servedAgent();
