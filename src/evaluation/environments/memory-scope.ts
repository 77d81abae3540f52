/**
 * Which long-term memory an episode uses: `--memory per-episode | per-suite | none`.
 *
 * "per-episode": each episode gets its own fork of the store, discarded afterwards. "per-suite": all episodes share one
 * memory in the order in which they are played, so that lessons from one task help with the next (as in the paper).
 * "none": a model without memory.
 */
import { InputError } from "../../errors.js";
import type { VersionedStore } from "../../types.js";
import { type AgentActorOptions, agentActor } from "./actors/agent.js";
import { plainActor } from "./actors/plain.js";
import { type EpisodeOptions, type EpisodeResult, playEpisode } from "./episode.js";

export const MEMORY_SCOPES = ["per-episode", "per-suite", "none"] as const;
export type MemoryScope = (typeof MEMORY_SCOPES)[number];

/** Parses the flag. Errors: `AGEMEM_INPUT_ARGUMENT`. */
export function memoryScope(value: string): MemoryScope {
  const known = MEMORY_SCOPES.find((each) => each === value);
  if (known) return known;
  throw new InputError("AGEMEM_INPUT_ARGUMENT", `Memory is "${value}"`, {
    remedy: `Use one of ${MEMORY_SCOPES.join(", ")}.`,
    details: { value },
  });
}

/** Options of {@link playWithMemory}. */
export interface ScopedEpisodeOptions extends Omit<EpisodeOptions, "actor"> {
  scope: MemoryScope;
  /** The store that a suite shares, or that episodes fork. */
  store: VersionedStore;
  agent: Omit<AgentActorOptions, "store">;
}

/**
 * Plays an episode with the memory of its scope. Episodes that share memory must be played one after the other.
 *
 * @throws as {@link playEpisode}; StoreError when long-term memory cannot be forked
 */
export async function playWithMemory({
  scope,
  store,
  agent,
  ...episode
}: ScopedEpisodeOptions): Promise<EpisodeResult> {
  if (scope === "none") {
    const { model, systemPrompt } = agent;
    return playEpisode({
      ...episode,
      actor: plainActor({ model, ...(systemPrompt ? { systemPrompt } : {}) }),
    });
  }
  if (scope === "per-suite") return playEpisode({ ...episode, actor: agentActor({ ...agent, store }) });
  const fork = await store.fork();
  try {
    return await playEpisode({ ...episode, actor: agentActor({ ...agent, store: fork }) });
  } finally {
    await fork.discard();
  }
}
