/**
 * Which model family writes tool calls in which text form, for servers that do not parse them. Pure data.
 */
import type { ToolTextForm } from "./forms.js";

/** The first match wins: a fine-tune (Hermes on Llama 3) comes before its base model. */
const FAMILIES: readonly [RegExp, ToolTextForm | "none"][] = [
  [/^(gpt-|o[134]\b|chatgpt|claude|gemini-)/i, "none"],
  [/hermes|qwen|qwq|smollm|granite-?[34]/i, "hermes"],
  [/mistral|mixtral|ministral|codestral|devstral|magistral|pixtral/i, "mistral"],
  [/llama-?[34]|llama3/i, "llama3"],
  [/gemma|phi-?[34]|deepseek/i, "fenced"],
];

/**
 * The form for a model name: "none" if its provider always parses calls itself, undefined for unknown models.
 *
 * @example
 * toolTextFormOf("Qwen/Qwen2.5-7B-Instruct"); // "hermes"
 */
export function toolTextFormOf(model: string): ToolTextForm | "none" | undefined {
  const name = model.slice(model.lastIndexOf("/") + 1);
  return FAMILIES.find(([family]) => family.test(name))?.[1];
}
