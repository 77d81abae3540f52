/**
 * Validates the values that a run passes in `context` or `configurable`, which LangGraph does not check.
 *
 * Owns the values that the agent's nodes read. Leaves out those of the namespace (`lib/namespace.ts`).
 */
import type { LangGraphRunnableConfig } from "@langchain/langgraph";
import { z } from "zod";
import { InputError } from "../errors.js";
import { oneOf, whole } from "../lib/check-options.js";

const runValues = z.object({
  max_steps: whole(1).nullish(),
  on_max_steps: oneOf(["answer", "stop"]).nullish(),
  thread_id: z.union([z.string().min(1), z.number()], "must be text").nullish(),
  agemem_run_key: z.string("must be text").nullish(),
});

/** Limits that a run may set for itself. */
export interface RunLimits {
  maxSteps: number | undefined;
  onMaxSteps: "answer" | "stop" | undefined;
}

/** Reads the limits. Throws InputError `AGEMEM_INPUT_ARGUMENT`, which names the wrong value. */
export function readRunLimits(config: Pick<LangGraphRunnableConfig, "configurable" | "context">): RunLimits {
  const parsed = runValues.safeParse({ ...config.configurable, ...(config.context as object | undefined) });
  if (parsed.success) {
    const { max_steps, on_max_steps } = parsed.data;
    return { maxSteps: max_steps ?? undefined, onMaxSteps: on_max_steps ?? undefined };
  }
  const problems = parsed.error.issues.map((issue) => `${issue.path.join(".")} ${issue.message}`);
  throw new InputError("AGEMEM_INPUT_ARGUMENT", `The run cannot start: ${problems.join("; ")}`, {
    remedy: "Correct the `context` or `configurable` passed to the run.",
    details: { problems },
  });
}
