/**
 * The offline policy's side of the tag protocol (AgeMem, appendix): `<think>`, then `<tool_call>` or `<answer>`. Pure.
 */
import type { Action } from "./action.js";

/** An action in tags. Tag-like text inside is defused, so that the response always parses. */
export function formatAction(action: Action, thought: string): string {
  const think = `<think>${defuse(thought)}</think>`;
  if (action.calls === undefined) return `${think}<answer>${defuse(action.answer)}</answer>`;
  const calls = action.calls.map((call) => ({ name: call.name, arguments: call.args }));
  return `${think}<tool_call>${JSON.stringify(calls).replace(/</g, "\\u003c")}</tool_call>`;
}

/** Names of the tools a system prompt lists as JSON schemas. */
export function toolNamesInPrompt(system: string): string[] {
  return [...system.matchAll(/"name"\s*:\s*"([A-Za-z_][\w-]{0,63})"/g)].map((match) => match[1] ?? "");
}

function defuse(text: string): string {
  return text.replace(/<(?=\/?(?:think|tool_call|answer)\b)/gi, "‹");
}
