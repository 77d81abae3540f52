/**
 * The deployable agent of `langgraph.json`: `createAgeMemAgent` on what the environment names.
 *
 * A factory without I/O at import. Store and models are opened once per process; the tools hold the store themselves,
 * because the server replaces the one a graph was compiled with.
 */
import { createAgeMemAgent, openEnvironment } from "../src/index.js";

let opened: Promise<ReturnType<typeof createAgeMemAgent>> | undefined;

/** Called by the server per run; a failed opening is tried again at the next one. */
export function graph(): Promise<ReturnType<typeof createAgeMemAgent>> {
  opened ??= openEnvironment()
    .then(({ agent }) => createAgeMemAgent(agent))
    .catch((error) => {
      opened = undefined;
      throw error;
    });
  return opened;
}
