/**
 * Token figures of the offline models: an estimate of four characters per token, since no tokenizer is involved. Pure.
 */
import type { BaseMessage, UsageMetadata } from "@langchain/core/messages";

const CHARACTERS_PER_TOKEN = 4;

/** Estimated usage of one call. */
export function estimateUsage(
  messages: readonly BaseMessage[],
  output: string,
  calls: readonly unknown[] = [],
): UsageMetadata {
  const input = messages.reduce((sum, message) => sum + (message.text ?? "").length, 0);
  const written = output.length + (calls.length > 0 ? JSON.stringify(calls).length : 0);
  const input_tokens = Math.ceil(input / CHARACTERS_PER_TOKEN);
  const output_tokens = Math.ceil(written / CHARACTERS_PER_TOKEN);
  return { input_tokens, output_tokens, total_tokens: input_tokens + output_tokens };
}
