/**
 * A summarizer without a language model: it picks sentences, and says so in the first line of each summary.
 *
 * Owns the chat-model surface. Leaves out: which sentences (`offline/extract-summary.ts`) and when to summarize.
 */
import { BaseChatModel, type BaseChatModelParams } from "@langchain/core/language_models/chat_models";
import { AIMessage, type BaseMessage } from "@langchain/core/messages";
import type { ChatResult } from "@langchain/core/outputs";
import { SUMMARY_SHARE, summaryOfRequest } from "./extract-summary.js";
import { estimateUsage } from "./usage.js";

/** Model name reported in `response_metadata`. */
export const OFFLINE_SUMMARIZER_NAME = "offline-extractive-summary (not a language model)";

/** Settings of {@link OfflineSummarizer}. */
export interface OfflineSummarizerOptions extends BaseChatModelParams {
  /** Length of the summary as a share of the transcript, in (0, 1]. Default 0.25. */
  share?: number;
}

/**
 * Answers the last human message, read as a transcript, with its most informative sentences in order.
 *
 * @throws RangeError when the share lies outside (0, 1]
 * @example
 * const summary = await new OfflineSummarizer().invoke("user: I live in Lyon.\nassistant: Nice.");
 * summary.text; // "[extractive summary, not a language model]\nUser: I live in Lyon."
 */
export class OfflineSummarizer extends BaseChatModel {
  readonly share: number;

  constructor(options: OfflineSummarizerOptions = {}) {
    super(options);
    this.share = options.share ?? SUMMARY_SHARE;
    if (!(this.share > 0 && this.share <= 1))
      throw new RangeError(`share must be in (0, 1], not ${this.share}`);
  }

  static override lc_name(): string {
    return "OfflineSummarizer";
  }

  /** Name shown to tracers. */
  get model(): string {
    return OFFLINE_SUMMARIZER_NAME;
  }

  override _llmType(): string {
    return "agemem-offline-summary";
  }

  override async _generate(messages: BaseMessage[], options: this["ParsedCallOptions"]): Promise<ChatResult> {
    options.signal?.throwIfAborted();
    const text = summaryOfRequest(messages, this.share);
    const message = new AIMessage({
      content: text,
      response_metadata: { model_name: OFFLINE_SUMMARIZER_NAME, finish_reason: "stop" },
      usage_metadata: estimateUsage(messages, text),
    });
    return {
      generations: [{ text, message }],
      llmOutput: { model_name: OFFLINE_SUMMARIZER_NAME, tokenUsage: message.usage_metadata },
    };
  }
}
