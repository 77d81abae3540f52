/**
 * The token budget of an agent: the configured one, otherwise what its model's window allows.
 *
 * Owns the defaults, and the warning when a default is a guess. Leaves out how a window is looked up (`models/window.ts`).
 */
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { type ContextBudget, DEFAULT_BUDGET } from "../context/budget.js";
import { ConfigError } from "../errors.js";
import { modelNameOf } from "../models/model-name.js";
import { modelWindow } from "../models/window.js";

/**
 * Fills in a budget. By default `maxTokens` is the model's window and `responseTokens` its longest response, at most
 * half the window. When you set `maxTokens`, a quarter of it is reserved for the response, or less if the model
 * cannot write that much.
 *
 * A model whose window is unknown gets the paper's 8,192 and 2,048 tokens and, once per model, a process warning
 * (`AGEMEM_BUDGET_UNKNOWN`).
 *
 * @param model the acting model; without one the paper's budget applies, without a warning
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` when nothing is left for the prompt
 * @example
 * budgetFor({}, new ChatOpenAI({ model: "gpt-4o-mini" })); // { maxTokens: 128000, responseTokens: 16384 }
 */
export function budgetFor(given: Partial<ContextBudget> = {}, model?: BaseChatModel): ContextBudget {
  const known = model && modelWindow(model);
  const response = known?.response ?? DEFAULT_BUDGET.responseTokens;
  if (given.maxTokens !== undefined) {
    const quarter = Math.min(response, Math.floor(given.maxTokens / 4));
    return checked({ maxTokens: given.maxTokens, responseTokens: given.responseTokens ?? quarter });
  }
  if (!known && model) sayUnknown(modelNameOf(model));
  const maxTokens = known?.window ?? DEFAULT_BUDGET.maxTokens;
  const half = Math.min(response, Math.floor(maxTokens / 2));
  return checked({ maxTokens, responseTokens: given.responseTokens ?? half });
}

function checked(budget: ContextBudget): ContextBudget {
  if (budget.responseTokens < budget.maxTokens) return budget;
  throw new ConfigError(
    "AGEMEM_CONFIG_INVALID",
    `budget.responseTokens is ${budget.responseTokens} of ${budget.maxTokens} tokens, which leaves none for the prompt`,
    { remedy: "Raise maxTokens or lower responseTokens.", details: { ...budget } },
  );
}

const said = new Set<string>();

function sayUnknown(model: string): void {
  if (said.has(model)) return;
  said.add(model);
  const { maxTokens } = DEFAULT_BUDGET;
  process.emitWarning(
    `The context window of the model "${model}" is unknown, so its context is kept below ${maxTokens} tokens. Set budget: { maxTokens } to the window of the model.`,
    { type: "AgeMemWarning", code: "AGEMEM_BUDGET_UNKNOWN" },
  );
}
