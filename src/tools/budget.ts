/**
 * The token budget of an agent: what it was told, else what its model's window allows.
 *
 * Owns the defaults, and that a default which is a guess is said. Leaves out how a window is known (`models/window.ts`).
 */
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { type ContextBudget, DEFAULT_BUDGET } from "../context/budget.js";
import { ConfigError } from "../errors.js";
import { modelNameOf } from "../models/model-name.js";
import { modelWindow } from "../models/window.js";

/**
 * Fills in a budget. `maxTokens` is the model's window, `responseTokens` its longest response, at most half of the
 * window. A `maxTokens` of one's own keeps a quarter of it for the response, at most what the model can write.
 *
 * A model whose window is not known gets the paper's 8,192 and 2,048 tokens, and the process a warning
 * (`AGEMEM_BUDGET_UNKNOWN`, once per model).
 *
 * @param model the acting model; without one nothing is known and nothing said
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
    `The window of the model "${model}" is not known: its context is kept below ${maxTokens} tokens. Set budget: { maxTokens } to the window of the model.`,
    { type: "AgeMemWarning", code: "AGEMEM_BUDGET_UNKNOWN" },
  );
}
