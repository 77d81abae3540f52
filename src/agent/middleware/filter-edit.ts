/**
 * FILTER as a `ContextEdit` of langchain's `contextEditingMiddleware`: removes passages that match given criteria before
 * each model call.
 *
 * Owns archiving what it removes, as the FILTER tool does, because langchain passes the agent's own list of messages, so
 * whatever an edit removes is gone from the thread. Leaves out scoring and cutting (`context/edits/filter.ts`).
 */
import type { EmbeddingsInterface } from "@langchain/core/embeddings";
import { getConfig } from "@langchain/langgraph";
import type { ContextEdit } from "langchain";
import { ContextArchive } from "../../context/archive.js";
import { DEFAULT_BUDGET } from "../../context/budget.js";
import { applyFilter, filterUnits, scoreUnits } from "../../context/edits/filter.js";
import { AgeMemError } from "../../errors.js";
import { shortHash } from "../../lib/hash.js";
import { LexicalEmbeddings } from "../../models/lexical-embeddings.js";
import { thresholdsOf } from "../../models/thresholds.js";
import { tokenCounter } from "../../models/tokens.js";
import { embeddingsOf } from "../../tools/search/store-embeddings.js";
import type { TokenCounter } from "../../types.js";
import { type ContextSize, isReached, triggerConditions } from "./context-size.js";
import { type AgeMemFilterEditConfig, checkFilterEditOptions } from "./options.js";

/**
 * Removes noise before the model sees it. What the newest user message asks and calls in progress stay, and calls stay
 * together with their answers.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID`; when applied, ModelError `AGEMEM_EMBEDDING_FAILED`, StoreError
 * `AGEMEM_STORE_*`
 * @example
 * contextEditingMiddleware({ edits: [new AgeMemFilterEdit({ store, criteria: "advertising; cookie banners" })] });
 */
export class AgeMemFilterEdit implements ContextEdit {
  readonly #config: AgeMemFilterEditConfig;
  readonly #conditions: ContextSize[];
  readonly #embeddings: EmbeddingsInterface;
  readonly #counter: TokenCounter;

  constructor(config: AgeMemFilterEditConfig) {
    checkFilterEditOptions(config);
    this.#config = config;
    this.#conditions = triggerConditions(config.trigger ?? { messages: 1 });
    this.#embeddings = config.embeddings ?? embeddingsOf(config.store) ?? new LexicalEmbeddings();
    this.#counter = config.counter ?? tokenCounter();
  }

  /** Removes what matches the criteria from `messages`, in place. */
  async apply({ messages, countTokens }: Parameters<ContextEdit["apply"]>[0]): Promise<void> {
    const { criteria, store, maxTokens = DEFAULT_BUDGET.maxTokens } = this.#config;
    const theta = this.#config.theta ?? thresholdsOf(this.#embeddings).theta;
    const now = { tokens: await countTokens(messages), messages: messages.length };
    if (!isReached(this.#conditions, now, maxTokens)) return;
    const counter = this.#counter;
    const segmentMinTokens = this.#config.segmentMinTokens ?? 80;
    const units = filterUnits(messages, { segmentMinTokens, counter });
    const scores = await scoreUnits(units, criteria, (texts) => this.#embeddings.embedDocuments(texts));
    const seen = JSON.stringify([criteria, messages.map((message) => message.id)]);
    const options = { theta, editId: `e${shortHash(seen, 8)}`, facts: {}, counter };
    const edit = unlessEmpty(() => applyFilter(messages, units, scores, options));
    if (!edit) return;
    const thread = getConfig()?.configurable?.thread_id;
    if (thread) await new ContextArchive(store, String(thread)).save(edit.report.archive);
    messages.splice(0, messages.length, ...edit.messages);
  }
}

/** The edit, or undefined if it would remove nothing. */
function unlessEmpty<T>(apply: () => T): T | undefined {
  try {
    return apply();
  } catch (error) {
    if (AgeMemError.isInstance(error) && error.code === "AGEMEM_EDIT_EMPTY") return undefined;
    throw error;
  }
}
