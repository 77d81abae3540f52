/** How much of the evidence is among the recalled memories, which are ordered best first. Pure. */
import type { RecalledMemory } from "../systems/memory-system.js";

/** Ids of the messages behind the first `k` memories. */
function sourcesAt(memories: readonly Pick<RecalledMemory, "sources">[], k: number): Set<string> {
  return new Set(memories.slice(0, k).flatMap(({ sources }) => sources));
}

/**
 * Share of the evidence among the first `k` memories (LoCoMo). It is 0 without evidence, so leave such questions out.
 */
export function evidenceRecall(
  memories: readonly Pick<RecalledMemory, "sources">[],
  evidence: readonly string[],
  k: number,
): number {
  const found = sourcesAt(memories, k);
  return evidence.filter((id) => found.has(id)).length / Math.max(1, evidence.length);
}

/** 1 when any evidence is among the first `k` (LongMemEval). */
export function recallAny(
  memories: readonly Pick<RecalledMemory, "sources">[],
  evidence: readonly string[],
  k: number,
): number {
  return Number(evidenceRecall(memories, evidence, k) > 0);
}

/** 1 when all evidence is among the first `k` (LongMemEval). */
export function recallAll(
  memories: readonly Pick<RecalledMemory, "sources">[],
  evidence: readonly string[],
  k: number,
): number {
  return Number(evidence.length > 0 && evidenceRecall(memories, evidence, k) === 1);
}

/**
 * Normalized discounted cumulative gain at `k`, with gains of 0 and 1. A memory counts only if it adds evidence that
 * none before it had, so that repetition does not raise the score.
 *
 * @example
 * ndcg([{ sources: ["a"] }, { sources: ["b"] }], ["b"], 2); // 1 / log2(3)
 */
export function ndcg(
  memories: readonly Pick<RecalledMemory, "sources">[],
  evidence: readonly string[],
  k: number,
): number {
  const left = new Set(evidence);
  let gained = 0;
  for (const [rank, { sources }] of memories.slice(0, k).entries()) {
    const fresh = sources.filter((id) => left.delete(id));
    if (fresh.length > 0) gained += 1 / Math.log2(rank + 2);
  }
  const ideal = Array.from({ length: Math.min(k, evidence.length) }, (_, i) => 1 / Math.log2(i + 2));
  const most = ideal.reduce((sum, each) => sum + each, 0);
  return most === 0 ? 0 : gained / most;
}
