/**
 * Settings of the deployed agent, which an assistant of a server gives in its `configurable` or `context`, and which the
 * operator gives for all assistants in `AGEMEM_SETTINGS`.
 *
 * Owns their names, their checks, and the agent options they become. Leaves out whose settings are trusted (`trust.ts`).
 */
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { z } from "zod";
import { type AgeMemAgentOptions, INHERITED } from "../agent/options.js";
import { ConfigError } from "../errors.js";
import { nearest, problemsOf } from "../lib/check-options.js";
import { type NamespaceTemplate, valueNames } from "../lib/namespace.js";
import { resolveChatModel } from "../models/chat-model.js";
import { counterOf } from "../models/tokens.js";
import { PROMPT_VARIANTS } from "../prompts.js";
import type { MemoryLimits } from "../tools/limits.js";
import { MEMORY_OPS, PAPER_TOOL_NAMES, SEARCH_MODES } from "../types.js";

const assistantSettings = z.object({
  /** Such as "openai:gpt-4o-mini", or "offline" for rules in place of a model. */
  model: z.string().optional(),
  system_prompt: z.string().optional(),
  protocol: z.enum(["native", "text"]).optional(),
  prompt_variant: z.enum(PROMPT_VARIANTS).optional(),
  /** Token budget of the context. */
  max_tokens: z.number().int().min(256).optional(),
  response_tokens: z.number().int().min(0).optional(),
  /** Namespace template of the memories, such as ["memories", "{org}", "{user_id}"]. */
  namespace: z.array(z.string().min(1)).min(1).optional(),
  /** Operations that a person must approve, such as ["DELETE"]. */
  interrupt_on: z.array(z.enum(MEMORY_OPS)).optional(),
  /** How much a model may store and do; see `MemoryLimits`. */
  limits: z
    .strictObject({
      characters: z.number().int().min(1),
      memories: z.number().int().min(1),
      operations: z.number().int().min(1),
      deletions: z.number().int().min(0),
    })
    .partial()
    .optional(),
  /** How RETRIEVE ranks. */
  search_mode: z.enum(SEARCH_MODES).optional(),
  memory_consistency: z.enum(["latest", "checkpoint"]).optional(),
  /** Model calls per run. */
  max_steps: z.number().int().min(1).optional(),
  on_max_steps: z.enum(["answer", "stop"]).optional(),
});

/** Settings that have been renamed. Ignoring an old name could silently drop a protection. */
const RENAMED: Readonly<Record<string, string>> = { approve: "interrupt_on", instructions: "system_prompt" };

/** What a client may not send: every setting, and the key that makes the ids of a run repeat. */
export const PROTECTED_SETTINGS: readonly string[] = [
  ...Object.keys(assistantSettings.shape),
  "agemem_run_key",
];

/** The settings of an assistant or a run. */
export type AssistantSettings = z.infer<typeof assistantSettings>;

/**
 * Picks the known settings from records that may also hold other values; later records win.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID`, which names the wrong settings
 * @example
 * readAssistantSettings({ user_id: "ada", max_steps: 3 }); // { max_steps: 3 }
 */
export function readAssistantSettings(...sources: (object | null | undefined)[]): AssistantSettings {
  const parsed = assistantSettings.safeParse(Object.assign({}, ...sources));
  if (parsed.success) return parsed.data;
  throw unusable(
    "The assistant's settings",
    parsed.error,
    "Correct the assistant's configurable or the run's context.",
  );
}

/**
 * Refuses misspelled settings, such as `maxTokens` for `max_tokens`. A name that resembles no setting is accepted,
 * because settings share their record with namespace values, LangGraph's own fields and the application's data.
 *
 * @param template the namespace template, whose values may have any name
 * @throws ConfigError `AGEMEM_CONFIG_INVALID`, with `details.problems`
 */
export function refuseMisspelled(sources: readonly object[], template: NamespaceTemplate): void {
  const known = new Set([...PROTECTED_SETTINGS, ...valueNames(template)]);
  const problems = [...new Set(sources.flatMap(Object.keys))].flatMap((name) => {
    if (known.has(name) || isServers(name)) return [];
    if (Object.hasOwn(RENAMED, name)) return [`setting "${name}" is now called "${RENAMED[name]}"`];
    const meant = nearest(name, PROTECTED_SETTINGS);
    return meant === undefined ? [] : [`unknown setting "${name}" (did you mean "${meant}"?)`];
  });
  if (problems.length === 0) return;
  throw new ConfigError("AGEMEM_CONFIG_INVALID", `The assistant's settings: ${problems.join("; ")}`, {
    remedy:
      "Correct the assistant's configurable or the run's context; rename a value that is not meant as a setting.",
    details: { problems },
  });
}

/** Whether LangGraph, its server or LangSmith adds a value of this name, or it is a header of the request. */
function isServers(name: string): boolean {
  return /^(__|x-|langgraph_|langsmith[_-]|checkpoint_)/.test(name) || SERVERS.has(name);
}

const SERVERS = new Set(["thread_id", "run_id", "graph_id", "assistant_id", "user_id", "user-agent"]);

/**
 * Reads the settings of all assistants from `AGEMEM_SETTINGS`, a JSON object.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for text that is not JSON, an unknown setting or a wrong value
 * @example
 * serverSettings({ AGEMEM_SETTINGS: '{"interrupt_on":["DELETE"]}' }); // { interrupt_on: ["DELETE"] }
 */
export function serverSettings(env: NodeJS.ProcessEnv = process.env): AssistantSettings {
  const text = env.AGEMEM_SETTINGS?.trim();
  if (!text) return {};
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch (cause) {
    throw new ConfigError("AGEMEM_CONFIG_INVALID", "AGEMEM_SETTINGS is not JSON", {
      cause,
      remedy: `Set it to a JSON object, such as AGEMEM_SETTINGS='{"interrupt_on":["DELETE"]}'.`,
    });
  }
  const parsed = z.strictObject(assistantSettings.shape).safeParse(given);
  if (parsed.success) return parsed.data;
  throw unusable("AGEMEM_SETTINGS", parsed.error, "Correct the variable and restart the server.");
}

const HINTS = Object.fromEntries(
  Object.entries(RENAMED).map(([old, now]) => [old, `it is now called "${now}"`]),
);

function unusable(what: string, error: z.ZodError, remedy: string): ConfigError {
  const problems = problemsOf(error, assistantSettings, "the settings", HINTS);
  return new ConfigError("AGEMEM_CONFIG_INVALID", `${what} are not valid (${problems.join("; ")})`, {
    remedy,
    details: { problems },
  });
}

/**
 * The settings as options of `createAgeMemAgent`, overriding those of the environment. The checkpointer is the server's.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for a model that cannot be resolved
 * @example
 * const { agent } = await openEnvironment();
 * createAgeMemAgent(await assistantOptions(agent, { max_steps: 3 }));
 */
export async function assistantOptions(
  base: Pick<AgeMemAgentOptions, "model" | "store" | "embeddings" | "counter">,
  settings: AssistantSettings,
): Promise<AgeMemAgentOptions> {
  const { model, system_prompt: systemPrompt, protocol, namespace, interrupt_on: paused } = settings;
  const budget = {
    ...(settings.max_tokens === undefined ? {} : { maxTokens: settings.max_tokens }),
    ...(settings.response_tokens === undefined ? {} : { responseTokens: settings.response_tokens }),
  };
  return {
    ...base,
    ...(model ? await modelOptions(model) : {}),
    // The server that runs the assistant supplies its own.
    checkpointer: INHERITED,
    ...(systemPrompt ? { systemPrompt } : {}),
    ...(protocol ? { protocol } : {}),
    ...(settings.prompt_variant ? { promptVariant: settings.prompt_variant } : {}),
    ...(namespace ? { namespace } : {}),
    ...(paused ? { interruptOn: Object.fromEntries(paused.map((op) => [PAPER_TOOL_NAMES[op], true])) } : {}),
    ...(settings.limits ? { limits: givenLimits(settings.limits) } : {}),
    ...(settings.search_mode ? { searchMode: settings.search_mode } : {}),
    ...(settings.max_steps ? { maxSteps: settings.max_steps } : {}),
    ...(settings.on_max_steps ? { onMaxSteps: settings.on_max_steps } : {}),
    ...(settings.memory_consistency ? { memoryConsistency: settings.memory_consistency } : {}),
    budget,
  };
}

/** A model other than the environment's, with the token counter that suits it. */
async function modelOptions(spec: string): Promise<Pick<AgeMemAgentOptions, "model" | "counter">> {
  const model = spec === "offline" ? await offlinePolicy() : resolveChatModel(spec);
  return { model, counter: await counterOf(model) };
}

/** The rules that stand in for a model; loaded only if they are used. */
export async function offlinePolicy(): Promise<BaseChatModel & { readonly model: string }> {
  const { OfflinePolicy } = await import("../offline/policy.js");
  return new OfflinePolicy();
}

/** The limits without undefined keys, which would override the defaults. */
function givenLimits(limits: NonNullable<AssistantSettings["limits"]>): Partial<MemoryLimits> {
  return Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined));
}
