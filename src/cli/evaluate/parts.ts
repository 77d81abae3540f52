/**
 * What an evaluation of systems runs on: the tested model, the model before training, embeddings, judge and memories.
 *
 * Leaves out the suites (`suite.ts`) and environments (`environments.ts`) that are played with them.
 */
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { ConfigError } from "../../errors.js";
import { type SystemName, usesBaseModel } from "../../evaluation/systems/by-name.js";
import { resolveChatModel } from "../../models/chat-model.js";
import { OfflinePolicy } from "../../offline/policy.js";
import type { PromptVariant } from "../../prompts.js";
import { openEnvironment } from "../../server/environment.js";
import { type JudgingOptions, openJudging } from "./judging.js";
import { openMemories } from "./systems.js";

/** The options that name the parts. */
export interface PartsOptions extends JudgingOptions {
  model?: string;
  baseModel?: string;
  protocol: "native" | "text";
  prompt: PromptVariant;
  temperature: number;
  maxTokens: number;
}

/**
 * Opens the parts before the first episode.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` if a system needs `--base-model`; `AGEMEM_PACKAGE_MISSING` as
 *   {@link openMemories}
 */
export async function openParts(systems: readonly string[], options: PartsOptions) {
  const { temperature, maxTokens, protocol, prompt: promptVariant } = options;
  const env = { ...process.env, ...(options.model === undefined ? {} : { AGEMEM_MODEL: options.model }) };
  const { agent, live, store, counter, modelName, embeddingName } = await openEnvironment({
    env,
    storePath: ":memory:",
  });
  await store.close();
  const model = live ? resolveChatModel(undefined, env, { temperature, maxTokens }) : agent.model;
  const index = { embeddings: agent.embeddings as NonNullable<typeof agent.embeddings>, embeddingName };
  const baseModel = openBaseModel(systems, options);
  const judging = await openJudging(options, modelName);
  const parts = { model, baseModel, index, counter, agent: { protocol, promptVariant, counter } };
  try {
    return { ...parts, modelName, judging, memories: await openMemories(systems, parts) };
  } catch (error) {
    await judging.close();
    throw error;
  }
}

/**
 * The model before training that `--base-model` names, for the systems that act with it.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` if a system needs it and it is not named
 */
function openBaseModel(
  systems: readonly string[],
  { baseModel: name, temperature, maxTokens }: PartsOptions,
): BaseChatModel | undefined {
  const needing = systems.filter((system) => usesBaseModel(system as SystemName));
  if (name === "offline") return new OfflinePolicy();
  if (name !== undefined) return resolveChatModel(name, process.env, { temperature, maxTokens });
  if (needing.length === 0) return undefined;
  throw new ConfigError(
    "AGEMEM_CONFIG_INVALID",
    `${needing.join(", ")}: the model before training is missing`,
    { remedy: "Name it with --base-model, or leave the system out." },
  );
}
