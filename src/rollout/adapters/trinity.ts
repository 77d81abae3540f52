/**
 * Trinity-RFT's explorer proxy: it records the calls, is told their reward, and commits whole groups.
 *
 * Owns `/feedback` and `/commit`, as read from its sources. Trinity computes advantages within one commit, so each
 * commit must hold exactly one complete group: groups are reported one after the other.
 */
import pLimit from "p-limit";
import { stripEnd } from "../../text/text.js";
import type { GroupResult } from "../group.js";
import { type PatienceOptions, PatientFetch } from "../http/patient-fetch.js";
import { postJson } from "./post.js";

/** What was reported of one group. */
export interface TrinityReport {
  /** Rollouts whose reward was reported. */
  reported: number;
  /** Rollouts without a reward or without response ids; their calls are not committed. */
  left: number;
}

/**
 * Makes a function that reports groups to a proxy, for `onGroup`. The policy's base URL is that of the proxy plus
 * `/v1`.
 *
 * A group of which no rollout was reported is not committed.
 *
 * @param url root of the proxy, such as `http://127.0.0.1:8010`
 * @throws ModelError `AGEMEM_MODEL_*`, from the function it returns
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
