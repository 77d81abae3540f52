/** The model before training that `--base-model` names, for the systems that act with it. */
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { ConfigError } from "../../errors.js";
import { type SystemName, usesBaseModel } from "../../evaluation/systems/by-name.js";
import { resolveChatModel } from "../../models/chat-model.js";

/**
 * Resolves it before the first episode.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` if a system needs it and it is not named
 */
export function openBaseModel(
  systems: readonly string[],
  { baseModel: name, temperature, maxTokens }: { baseModel?: string; temperature: number; maxTokens: number },
): BaseChatModel | undefined {
  const needing = systems.filter((system) => usesBaseModel(system as SystemName));
  if (name !== undefined) return resolveChatModel(name, process.env, { temperature, maxTokens });
  if (needing.length === 0) return undefined;
  throw new ConfigError(
    "AGEMEM_CONFIG_INVALID",
    `${needing.join(", ")}: the model before training is missing`,
    { remedy: "Name it with --base-model, or leave the system out." },
  );
}
