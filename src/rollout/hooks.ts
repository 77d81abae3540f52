/** What a run reports to while it is under way, and which processes do its work. */
import { z } from "zod";
import { callable, checkOptions, having, type OptionShape, text } from "../lib/check-options.js";
import type { GroupResult } from "./group.js";
import type { RolloutProgress } from "./progress.js";
import type { WorkerPool } from "./workers/pool.js";

/** Where to write and whom to tell. */
export interface RunHooks {
  /**
   * Recording to append to: `run.jsonl`, `run.jsonl.gz` (packed and compressed), or `run/`, a folder of packed parts.
   * A run with the same settings goes on where it ends; other settings under the same run name are refused. Default: none.
   */
  out?: string;
  /** Facts about policy and embeddings that belong to the run's settings, as JSON values. */
  identity?: Record<string, unknown>;
  onProgress?: (progress: RolloutProgress) => void;
  /** Processes that run the rollouts, opened with the same options; default: this one. */
  workers?: Pick<WorkerPool, "run">;
  /** Gets each whole group. While it is busy with some groups, no further ones are begun. */
  onGroup?: (group: GroupResult) => void | Promise<void>;
}

const runHooks = z.strictObject(
  {
    out: text.optional(),
    identity: z.record(z.string(), z.unknown(), "must be an object").optional(),
    onProgress: callable.optional(),
    workers: having(["run"], "must be a WorkerPool").optional(),
    onGroup: callable.optional(),
  } satisfies OptionShape<RunHooks>,
  "must be an object of hooks",
);

/** Errors: `AGEMEM_CONFIG_INVALID`. */
export function checkRunHooks(hooks: unknown, what: string): void {
  checkOptions(runHooks, hooks, what);
}
