/** The judge a command asks for: rules, or a model with its verdicts kept on disk. */
import { resolveChatModel } from "../models/chat-model.js";
import type { Judge } from "../rewards/judge.js";
import { DiskJudgeCache } from "../rewards/judges/disk-cache.js";
import { createLlmJudge } from "../rewards/judges/llm.js";
import { createOfflineJudge } from "../rewards/judges/offline.js";

/** A judge and what must be closed after it. */
interface OpenJudge {
  judge: Judge;
  close: () => Promise<void>;
}

/**
 * @param name "offline", or the name of a model on the endpoint of OPENAI_BASE_URL / OPENAI_API_KEY
 * @param cache file of verdicts, for a model
 * @throws ConfigError `AGEMEM_CONFIG_INVALID`; InputError `AGEMEM_INPUT_FILE`
 */
export async function openJudge(name: string, cache?: string): Promise<OpenJudge> {
  if (name === "offline") return { judge: createOfflineJudge(), close: async () => undefined };
  const model = resolveChatModel(name, process.env, { temperature: 0 });
  const kept = cache === undefined ? undefined : await DiskJudgeCache.open(cache);
  return {
    judge: createLlmJudge({ model, ...(kept ? { cache: kept } : {}) }),
    close: async () => kept?.close(),
  };
}
