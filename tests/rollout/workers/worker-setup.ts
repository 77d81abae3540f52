/** What the worker processes of `workers.test.ts` run: a scripted policy, and accidents where the data says so. */

import { existsSync, writeFileSync } from "node:fs";
import { OfflinePolicy } from "../../../src/offline/policy.js";
import type { OpenRollouts } from "../../../src/rollout/workers/messages.js";
import { memoryStore, optionsFor, personTask } from "../setup.js";

export interface WorkerData {
  policy?: "script" | "rules" | "hang";
  /** The process dies at the rollout of this id: once, when `mark` names a file, else always. */
  diesAt?: string;
  mark?: string;
  failsToOpen?: boolean;
}

export const TASKS = [0, 1, 2].map(personTask);

export async function openRollouts(data: unknown): Promise<OpenRollouts> {
  const { policy: kind = "script", diesAt, mark, failsToOpen } = data as WorkerData;
  if (failsToOpen) throw new TypeError("no such endpoint");
  const store = await memoryStore();
  const options = optionsFor(store);
  const scripted = options.policy;
  const policy: typeof scripted = (rollout) => {
    if (rollout.rolloutId === diesAt && !(mark && existsSync(mark))) {
      if (mark) writeFileSync(mark, "");
      process.kill(process.pid, "SIGKILL");
    }
    if (kind === "rules") return new OfflinePolicy({ seed: rollout.seed, temperature: 1 });
    if (kind === "script") return scripted(rollout);
    return optionsFor(store, () => new Promise<never>(() => undefined)).policy(rollout);
  };
  return { options: { ...options, policy }, close: () => store.close() };
}
