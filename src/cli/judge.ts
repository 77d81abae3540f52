/** Opens the judge of a command: rules, or a model whose verdicts are kept on disk. */
import { resolveChatModel } from "../models/chat-model.js";
import type { Judge } from "../rewards/judge.js";
import { DiskJudgeCache } from "../rewards/judges/disk-cache.js";
import { createLlmJudge } from "../rewards/judges/llm.js";
import { createOfflineJudge } from "../rewards/judges/offline.js";

/** A judge and what must be closed after it. */
interface OpenJudge {
  judge: Judge;
  /** Makes another judge with the same model and verdicts, whose usage starts at zero. */
  fresh: () => Judge;
  close: () => Promise<void>;
}

/**
 * Opens a judge.
 *
 * @param name "offline", or the name of a model on the endpoint of AGEMEM_JUDGE_BASE_URL / AGEMEM_JUDGE_API_KEY, by default
 * OPENAI_BASE_URL / OPENAI_API_KEY
 * @param cache file of verdicts, for a model
 * @throws ConfigError `AGEMEM_CONFIG_INVALID`; InputError `AGEMEM_INPUT_FILE`
 */
export async function openJudge(name: string, cache?: string): Promise<OpenJudge> {
  if (name === "offline") {
    return { judge: createOfflineJudge(), fresh: createOfflineJudge, close: async () => undefined };
  }
  const { AGEMEM_JUDGE_BASE_URL: url, AGEMEM_JUDGE_API_KEY: key } = process.env;
  const own = { ...(url ? { OPENAI_BASE_URL: url } : {}), ...(key ? { OPENAI_API_KEY: key } : {}) };
  const model = resolveChatModel(name, { ...process.env, ...own }, { temperature: 0 });
  const kept = cache === undefined ? undefined : await DiskJudgeCache.open(cache);
  const fresh = (): Judge => createLlmJudge({ model, ...(kept ? { cache: kept } : {}) });
  return { judge: fresh(), fresh, close: async () => kept?.close() };
}
