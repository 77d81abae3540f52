/** What each process of `bench/rollout.ts` runs: the options of its rollouts against the test server. */
import { LexicalEmbeddings } from "../src/models/lexical-embeddings.js";
import { createOfflineJudge } from "../src/rewards/judges/offline.js";
import { policyEndpoint } from "../src/rollout/http/endpoint.js";
import type { OpenRollouts } from "../src/rollout/workers/messages.js";
import { FaissStore } from "../src/store/faiss-store.js";

export interface BenchSetup {
  baseURL: string;
  /** Rollouts under way in the whole run, and requests under way in this process. */
  concurrency: number;
  requests: number;
  fetch?: typeof fetch;
}

export async function openRollouts(data: unknown): Promise<OpenRollouts> {
  const { baseURL, concurrency, requests, fetch } = data as BenchSetup;
  const patience = { concurrency: requests, ...(fetch ? { fetch } : {}) };
  const { policy } = policyEndpoint({ model: "openai:bench", baseURL, patience });
  const store = await openStore();
  const options = { policy, store, judge: createOfflineJudge(), k: 8, concurrency };
  return { options, close: () => store.close() };
}

export function openStore(): Promise<FaissStore> {
  return FaissStore.open(":memory:", { index: { embeddings: new LexicalEmbeddings(), fields: ["content"] } });
}
