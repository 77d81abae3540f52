/** One line about the usage of a recording: calls, tokens, time, and what edits saved. */
import { totalUsage } from "../../lib/usage.js";
import { readTrajectoryFile } from "../../trajectory/file.js";
import type { StepRecord } from "../../trajectory/schema.js";
import { usageOfSteps } from "../../trajectory/usage.js";

/** Reads a recording and sums it up. Errors: as `readTrajectoryFile`. */
export async function usageLine(file: string): Promise<string> {
  const steps: StepRecord[] = [];
  for await (const record of readTrajectoryFile(file)) if (record.kind === "step") steps.push(record);
  const total = totalUsage(usageOfSteps(steps));
  const number = (value: number): string => Math.round(value).toLocaleString("en");
  const tokens = (value: number | null): string => (value === null ? tokenCount(value) : number(value));
  return [
    `${number(total.calls)} model calls`,
    `${tokens(total.promptTokens)} + ${tokens(total.completionTokens)} tokens`,
    `${(total.latencyMs / 1000).toFixed(2)} s`,
    `${number(total.tokensSaved)} tokens removed from the context`,
  ].join(", ");
}

/** A number of tokens for a report; "unknown" where the server did not report those of every call. */
export function tokenCount(tokens: number | null): string {
  return tokens === null ? "unknown" : String(Math.round(tokens));
}
