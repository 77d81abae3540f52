/** Storage and relevance, by the items that the judge calls useful given the gold facts. Pure. */

import { contentStems } from "../../../text/words.js";
import type { MemoryItemRecord } from "../../../trajectory/schema-parts.js";
import { addedInStageOne, operations, type RewardPart, retrieved, type ScoringInput } from "../../scoring.js";

/** An item that shares this part of its words with an earlier one is a copy. */
const COPY = 0.8;

/**
 * Useful items over all items added in stage 1; a near copy of an earlier item counts as an item, but not as useful.
 */
export function usefulStorage({ steps, episode, verdicts }: ScoringInput): RewardPart {
  const items = addedInStageOne(steps, episode);
  if (items.length === 0) return { value: 0, basis: "nothing was added in stage 1" };
  const labels = labelsOf(items, verdicts.useful);
  if (!labels) return unlabeled(verdicts.judge);
  const good = withoutCopies(items.filter((_, i) => labels[i])).length;
  return { value: good / items.length, basis: `${verdicts.judge}: ${good} of ${items.length} items useful` };
}

/**
 * The judge's score of the retrieved set, times the share of it that is useful and was stored before the question came,
 * because what was stored later can only repeat it.
 */
export function usefulRelevance({ steps, episode, verdicts }: ScoringInput): RewardPart {
  const items = retrieved(steps, episode);
  if (items.length === 0) return { value: 0, basis: "nothing was retrieved" };
  const labels = labelsOf(items, verdicts.useful);
  if (!labels) return unlabeled(verdicts.judge);
  if (verdicts.relevance === null) return { value: null, basis: `${verdicts.judge} gave no relevance` };
  const early = new Set(
    operations(steps, ["ADD"])
      .filter(({ step }) => step.stage !== 3)
      .flatMap(({ op }) => op.memory_ids),
  );
  const good = withoutCopies(items.filter((item, i) => labels[i] && early.has(item.id))).length;
  return {
    value: (verdicts.relevance * good) / items.length,
    basis: `${verdicts.judge}: ${verdicts.relevance}, ${good} of ${items.length} retrieved items useful`,
  };
}

function labelsOf(
  items: readonly MemoryItemRecord[],
  labels: Readonly<Record<string, boolean>> | null,
): boolean[] | undefined {
  const known = items.flatMap(({ id }) => labels?.[id] ?? []);
  return known.length === items.length ? known : undefined;
}

function unlabeled(judge: string): RewardPart {
  return { value: null, basis: `${judge} did not label all items; judge the recording again` };
}

function withoutCopies(items: readonly MemoryItemRecord[]): MemoryItemRecord[] {
  const seen: ReadonlySet<string>[] = [];
  return items.filter(({ content }) => {
    const stems = new Set(contentStems(content));
    if (seen.some((other) => overlap(stems, other) >= COPY)) return false;
    seen.push(stems);
    return true;
  });
}

/** Common words over the words of the longer text, so that an item that holds another and more is not its copy. */
function overlap(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  const common = [...a].filter((stem) => b.has(stem)).length;
  return common / Math.max(a.size, b.size, 1);
}
