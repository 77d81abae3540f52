/**
 * Who plays the episodes of a suite, and what is remembered from one to the next.
 *
 * A player belongs to a batch: of one task for `--memory per-episode`, of all tasks in their order for `per-suite`, where the
 * lessons of one task help the next (the paper's use of long-term memory). Owns what makes shared memory resumable: each episode's
 * line says where long-term memory stood after it, and a run that is continued begins there, so that an episode that was cut off
 * leaves nothing behind. Leaves out playing (`episode.ts`).
 */
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import type { EmbeddingsInterface } from "@langchain/core/embeddings";
import { InMemoryStore } from "@langchain/langgraph";
import { renderMemories } from "../../context/retrieval.js";
import { InputError } from "../../errors.js";
import { resolveNamespace } from "../../lib/namespace.js";
import { FaissStore } from "../../store/faiss-store.js";
import { DEFAULT_NAMESPACE } from "../../tools/toolkit.js";
import type { MemoryOp, MemoryValue, StoreVersion } from "../../types.js";
import { type AgentActorOptions, agentActor, type ShownMemories } from "./actors/agent.js";
import type { Actor } from "./episode.js";

/** Whose long-term memory an episode sees: its own, the suite's, or none. */
export const MEMORY_SCOPES = ["per-episode", "per-suite", "none"] as const;
export type MemoryScope = (typeof MEMORY_SCOPES)[number];

/** What was recorded of an episode that was played earlier. */
export interface PlayedEpisode {
  /** The first observation; null if the task could not be set up. */
  start: string | null;
  steps: readonly { action: string; observation: string }[];
  /** "won" if the task was solved. */
  ended: string;
  memory: StoreVersion | null;
}

/** Plays the episodes of a batch, one after the other. */
export interface Player {
  /** Called before anything is played. Throws if the run cannot be continued. */
  check?(found: readonly PlayedEpisode[]): void;
  /** Prepares the memory; `found` are the episodes of the batch that were played earlier. */
  begin(found: readonly PlayedEpisode[]): Promise<void>;
  /** @param runKey makes the ids of the episode repeat */
  actor(runKey: string): Actor;
  /** Where long-term memory stands; null if it has no versions. */
  standing(): StoreVersion | null;
  end(): Promise<void>;
}

/** The agent's options without what an episode gives. */
export type PlayerAgent = Omit<AgentActorOptions, "store" | "operations" | "runKey" | "recall" | "lessons">;

/** Always plays with a new actor that remembers nothing. */
export function actorPlayer(make: (runKey: string) => Actor): Player {
  return { begin: async () => undefined, actor: make, standing: () => null, end: async () => undefined };
}

/** The agent without memory: the same prompt and `act` tool, no guide, the whole episode in its context. */
export function memorylessPlayer(agent: PlayerAgent): Player {
  return actorPlayer((runKey) =>
    agentActor({ ...agent, runKey, operations: [], store: new InMemoryStore() }),
  );
}

/** Options of {@link agePlayer}. */
export interface AgePlayerOptions {
  agent: PlayerAgent;
  index: { embeddings: EmbeddingsInterface; embeddingName: string };
  operations: readonly MemoryOp[];
  /** Memories that are shown with each call, nearest to the newest observation (the paper's "-RAG"); default none. */
  retrieved?: number;
  /** Folder of a memory that outlives the process; without it the memory ends with the batch. */
  folder?: string;
}

/**
 * The agent with the memory operations.
 *
 * Errors of `check`: `AGEMEM_INPUT_FILE` if the memory of the earlier episodes is gone.
 */
export function agePlayer({ agent, index, operations, retrieved, folder }: AgePlayerOptions): Player {
  let base: FaissStore | undefined;
  let store: FaissStore | undefined;
  const opened = (): FaissStore => {
    if (!store) throw new TypeError("Call begin() first");
    return store;
  };
  return {
    check(found) {
      if (folder === undefined || !lastOf(found) || existsSync(folder)) return;
      throw new InputError(
        "AGEMEM_INPUT_FILE",
        `The memory of the episodes played so far, ${folder}, is gone`,
        {
          remedy: "Put it back, or begin anew with another results file.",
          details: { folder, episodes: found.length },
        },
      );
    },
    async begin(found) {
      const last = lastOf(found);
      // What an episode left that has no line was cut off.
      if (folder !== undefined && !last) await rm(folder, { recursive: true, force: true });
      base = await FaissStore.open(folder ?? ":memory:", { index: { ...index, fields: ["content"] } });
      store = last ? await standingAt(base, last) : base;
    },
    actor: (runKey) => {
      const store = opened();
      const recall = (observation: string) => nearest(store, agent.user ?? "player", observation, retrieved);
      // What was learned can only help where a later episode sees it.
      const lessons = folder !== undefined && operations.includes("ADD");
      return agentActor({ ...agent, runKey, operations, store, lessons, ...(retrieved ? { recall } : {}) });
    },
    standing: () => opened().version(),
    async end() {
      await base?.close();
      base = undefined;
      store = undefined;
    },
  };
}

async function nearest(
  store: FaissStore,
  user: string,
  query: string,
  limit = 0,
): Promise<ShownMemories | undefined> {
  const namespace = resolveNamespace(DEFAULT_NAMESPACE, { user_id: user });
  const found = await store.search(namespace, { query, limit, mode: "hybrid" });
  if (found.length === 0) return undefined;
  const items = found.map(({ key: id, value, createdAt, updatedAt, score = 0 }) => ({
    id,
    value: value as MemoryValue,
    createdAt,
    updatedAt,
    score,
  }));
  return {
    memories: items.map(({ value }) => value.content),
    block: renderMemories(items, { query }),
  };
}

function lastOf(found: readonly PlayedEpisode[]): StoreVersion | undefined {
  return found.flatMap(({ memory }) => memory ?? []).at(-1);
}

/** The branch where the last recorded episode left it; a new one where something was written since. */
async function standingAt(base: FaissStore, last: StoreVersion): Promise<FaissStore> {
  const branch = last.branch === base.version().branch ? base : await base.branch(last.branch);
  return branch.version().revision === last.revision ? branch : branch.fork(undefined, { from: last });
}
