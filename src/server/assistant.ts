/**
 * What an assistant of a server may set about the deployed agent, in its `configurable` or `context`, and the operator
 * for all of them in `AGEMEM_SETTINGS`.
 *
 * Owns their names and checks. An assistant is configuration: models, budgets and namespaces never come from the model.
 * Leaves out whose settings count (`trust.ts`).
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
  /** Such as "openai:gpt-4o-mini", or "offline" for the rules. */
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
  /** What a model may store and do; see `MemoryLimits`. */
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

/** Settings that had another name: left alone, an assistant would lose what protects it. */
const RENAMED: Readonly<Record<string, string>> = { approve: "interrupt_on", instructions: "system_prompt" };

/** What a client may not bring along: every setting, and what makes the ids of a run repeat. */
export const PROTECTED_SETTINGS: readonly string[] = [
  ...Object.keys(assistantSettings.shape),
  "agemem_run_key",
];

/** The settings that an assistant or a run may give. */
export type AssistantSettings = z.infer<typeof assistantSettings>;

/**
 * Picks the known settings out of records that may hold other things too; later records win.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID`, which names the settings that are wrong
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
 * Refuses what was probably meant as a setting and is none, such as `maxTokens` for `max_tokens`. Settings share a record
 * with the values of the namespace, what LangGraph's server adds and what an application sends along, so a name that
 * resembles no setting is left alone.
 *
 * @param template the namespace template, whose values may have any name
 * @throws ConfigError `AGEMEM_CONFIG_INVALID`, with `details.problems`
 */
export function refuseMisspelled(sources: readonly object[], template: NamespaceTemplate): void {
  const known = new Set([...PROTECTED_SETTINGS, ...valueNames(template)]);
  const problems = [...new Set(sources.flatMap(Object.keys))].flatMap((name) => {
    if (known.has(name) || isServers(name)) return [];
    if (Object.hasOwn(RENAMED, name)) return [`setting "${name}" is called "${RENAMED[name]}" now`];
    const meant = nearest(name, PROTECTED_SETTINGS);
    return meant === undefined ? [] : [`unknown setting "${name}" (did you mean "${meant}"?)`];
  });
  if (problems.length === 0) return;
  throw new ConfigError("AGEMEM_CONFIG_INVALID", `The assistant's settings: ${problems.join("; ")}`, {
    remedy:
      "Correct the assistant's configurable or the run's context; a value of another meaning needs another name.",
    details: { problems },
  });
}

/** Names that LangGraph, its server and LangSmith put beside the settings, and headers of the request. */
function isServers(name: string): boolean {
  return /^(__|x-|langgraph_|langsmith[_-]|checkpoint_)/.test(name) || SERVERS.has(name);
}

const SERVERS = new Set(["thread_id", "run_id", "graph_id", "assistant_id", "user_id", "user-agent"]);

/**
 * The settings of all assistants: `AGEMEM_SETTINGS`, a JSON object.
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
      remedy: `Give an object, such as AGEMEM_SETTINGS='{"interrupt_on":["DELETE"]}'.`,
    });
  }
  const parsed = z.strictObject(assistantSettings.shape).safeParse(given);
  if (parsed.success) return parsed.data;
  throw unusable("AGEMEM_SETTINGS", parsed.error, "Correct the variable and start the server again.");
}

const HINTS = Object.fromEntries(
  Object.entries(RENAMED).map(([old, now]) => [old, `it is called "${now}" now`]),
);

function unusable(what: string, error: z.ZodError, remedy: string): ConfigError {
  const problems = problemsOf(error, assistantSettings, "the settings", HINTS);
  return new ConfigError("AGEMEM_CONFIG_INVALID", `${what} cannot be used (${problems.join("; ")})`, {
    remedy,
    details: { problems },
  });
}

/**
 * The settings as options of `createAgeMemAgent`, over those of the environment. The checkpointer is the server's.
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
    // The server that runs the assistant brings its own.
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

/** Another model than the environment's counts tokens in its own way. */
async function modelOptions(spec: string): Promise<Pick<AgeMemAgentOptions, "model" | "counter">> {
  const model = spec === "offline" ? await offlinePolicy() : resolveChatModel(spec);
  return { model, counter: await counterOf(model) };
}

/** The rules, loaded only where they act. */
export async function offlinePolicy(): Promise<BaseChatModel & { readonly model: string }> {
  const { OfflinePolicy } = await import("../offline/policy.js");
  return new OfflinePolicy();
}

/** Without the keys that are undefined, which would hide the defaults. */
function givenLimits(limits: NonNullable<AssistantSettings["limits"]>): Partial<MemoryLimits> {
  return Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined));
}
