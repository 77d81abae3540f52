/** Where a run records and reports while it is under way, and which processes do its work. */
import { z } from "zod";
import { callable, checkOptions, having, type OptionShape, text, whole } from "../lib/check-options.js";
import type { GroupResult } from "./group.js";
import type { RolloutProgress } from "./progress.js";
import type { WorkerPool } from "./workers/pool.js";

/** Options of a run beside {@link RolloutOptions}. */
export interface RunHooks {
  /**
   * Recording to append to: `run.jsonl`, `run.jsonl.gz` (packed and compressed), or `run/` (a folder of such parts).
   * The same settings resume the run; other settings under the same run name are refused. Default: none.
   */
  out?: string;
  /** Further settings that must not change when a run resumes, such as the names of policy and embeddings, as JSON. */
  identity?: Record<string, unknown>;
  onProgress?: (progress: RolloutProgress) => void;
  /** Processes that run the rollouts, opened with the same options; default: the calling process. */
  workers?: Pick<WorkerPool, "run">;
  /** Which share of a larger run the tasks are, for `agemem merge`. Default: the whole run, `{ number: 1, of: 1 }`. */
  share?: { number: number; of: number };
  /** Awaited before a group is begun, in the order of the tasks; not for groups that are in `out`. Default: no wait. */
  beforeGroup?: (taskId: string) => Promise<void>;
  /** Receives each complete group. A group counts as open until it returns, and only a few are open at a time. */
  onGroup?: (group: GroupResult) => void | Promise<void>;
}

const runHooks = z.strictObject(
  {
    out: text.optional(),
    identity: z.record(z.string(), z.unknown(), "must be an object").optional(),
    onProgress: callable.optional(),
    workers: having(["run"], "must be a WorkerPool").optional(),
    share: z.strictObject({ number: whole(1), of: whole(1) }).optional(),
    beforeGroup: callable.optional(),
    onGroup: callable.optional(),
  } satisfies OptionShape<RunHooks>,
  "must be an object of hooks",
);

/** Errors: `AGEMEM_CONFIG_INVALID`. */
export function checkRunHooks(hooks: unknown, what: string): void {
  checkOptions(runHooks, hooks, what);
}
