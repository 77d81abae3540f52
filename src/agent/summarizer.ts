/** Who writes summaries where nobody was named for it: the acting model itself. */
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { OfflinePolicy } from "../offline/policy.js";
import { OfflineSummarizer } from "../offline/summarizer.js";

/** The rule policy cannot write summaries, and gets the rules that can; every language model does. */
export function summarizerBeside(model: BaseChatModel): BaseChatModel {
  return model instanceof OfflinePolicy ? new OfflineSummarizer() : model;
}
