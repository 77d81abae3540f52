/** The lines of an answer: groups as they finish, read from disk with one record in memory at a time. */
import type { ReaderTerms } from "./delivery.js";
import { GroupOutput } from "./group-output.js";
import { type OpenBody, ROLLOUTS_PROTOCOL, type RolloutLine } from "./protocol.js";
import type { RolloutRequest } from "./request.js";
import { errorFields, type RequestRun } from "./request-run.js";

/**
 * Lines until all groups are acknowledged, the run fails, or the signal aborts. Nothing is read ahead: as long as a
 * reader takes no lines, its groups stay unacknowledged and occupy the window.
 */
export async function* linesOf(
  run: RequestRun,
  { request_id, reader, ordered, ahead }: OpenBody,
  format: RolloutRequest["format"],
  signal: AbortSignal,
  aliveMs: number,
): AsyncGenerator<RolloutLine> {
  const { delivery } = run;
  yield {
    event: "open",
    protocol: ROLLOUTS_PROTOCOL,
    request_id,
    groups: run.request.tasks.length,
    acknowledged: delivery.acknowledgedCount,
    window: delivery.window,
  };
  const terms: ReaderTerms = { reader, ordered, ahead };
  let said = Date.now();
  while (!signal.aborted) {
    const next = delivery.take(terms);
    if (next === "done") {
      // The last figures come with the end of the run, immediately after its last group.
      while (!run.ended && !signal.aborted) await delivery.changed(signal, aliveMs);
      if (!signal.aborted) yield { event: "end", ...run.figures };
      return;
    }
    if (next !== "none") {
      yield* groupLines(run, next.group, format, signal);
      said = Date.now();
      continue;
    }
    if (run.ended?.failure) {
      yield { event: "error", ...errorFields(run.ended.failure) };
      return;
    }
    await delivery.changed(signal, aliveMs);
    if (signal.aborted || Date.now() - said < Math.min(1000, aliveMs)) continue;
    said = Date.now();
    yield { event: "alive", ...run.figures };
  }
}

async function* groupLines(
  run: RequestRun,
  groupId: string,
  format: RolloutRequest["format"],
  signal: AbortSignal,
): AsyncGenerator<RolloutLine> {
  const output = new GroupOutput(groupId, { ...run.request, format });
  let samples = 0;
  for await (const rollout of run.read(groupId)) {
    for (const sample of output.samples(rollout)) {
      if (signal.aborted) return;
      samples++;
      yield { event: "sample", group_id: groupId, sample };
    }
  }
  yield { event: "group", samples, ...output.facts };
}
