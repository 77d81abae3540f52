/**
 * Trinity-RFT's explorer proxy: it records the calls, gets a reward per call, and commits whole groups.
 *
 * Owns `/feedback` and `/commit` as read from its sources. Trinity computes advantages within one commit, so a group
 * must be complete when it is committed and alone in it: groups are reported one after the other.
 */
import pLimit from "p-limit";
import { stripEnd } from "../../text/text.js";
import type { GroupResult } from "../group.js";
import { type PatienceOptions, PatientFetch } from "../http/patient-fetch.js";
import { postJson } from "./post.js";

/** What one group came to at the proxy. */
export interface TrinityReport {
  /** Rollouts with a reward, which were reported. */
  reported: number;
  /** Rollouts that failed or are unscored; their calls stay uncommitted. */
  left: number;
}

/**
 * Reports groups to a proxy; use it as `onGroup`. The policy's base URL is the same proxy with `/v1`.
 *
 * A group none of whose rollouts has a reward is not committed.
 *
 * @param url root of the proxy, such as `http://127.0.0.1:8010`
 * @throws ModelError `AGEMEM_MODEL_*`, when it is called
 * @example
 * const report = trinityProxy("http://127.0.0.1:8010");
 * await streamRollouts(tasks, options, { onGroup: async (group) => void (await report(group)) });
 */
export function trinityProxy(
  url: string,
  patience: PatienceOptions = {},
): (group: GroupResult) => Promise<TrinityReport> {
  const root = stripEnd(url, /\//);
  const patient = new PatientFetch(patience);
  const one = pLimit(1);
  const post = (path: string, body: unknown): Promise<void> =>
    postJson(patient, `${root}${path}`, body, { what: "the Trinity proxy" });
  return (group) =>
    one(async () => {
      let reported = 0;
      for (const { trajectory, steps } of group.rollouts) {
        const ids = steps
          .filter((step) => step.call_role === "policy")
          .flatMap((step) => step.response_id ?? []);
        if (trajectory.reward === null || ids.length === 0) continue;
        await post("/feedback", {
          reward: trajectory.reward,
          msg_ids: ids,
          task_id: group.taskId,
          run_id: trajectory.rollout_index ?? 0,
        });
        reported++;
      }
      if (reported > 0) await post("/commit", {});
      return { reported, left: group.rollouts.length - reported };
    });
}
