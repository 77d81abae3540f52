/**
 * The offline policy's side of the tag protocol (AgeMem, appendix): `<think>`, then `<tool_call>` or `<answer>`. Pure.
 */
import { defuse } from "../../text/escaping.js";
import type { Action } from "./action.js";

/** Tags of the protocol. */
const TAGS = ["think", "tool_call", "answer"];

/** An action in tags. Tag-like text inside is defused, so that the response always parses. */
export function formatAction(action: Action, thought: string): string {
  const think = `<think>${defuse(thought, TAGS)}</think>`;
  if (action.calls === undefined) return `${think}<answer>${defuse(action.answer, TAGS)}</answer>`;
  const calls = action.calls.map((call) => ({ name: call.name, arguments: call.args }));
  return `${think}<tool_call>${JSON.stringify(calls).replace(/</g, "\\u003c")}</tool_call>`;
}

/** Names of the tools a system prompt lists as JSON schemas. */
export function toolNamesInPrompt(system: string): string[] {
  return [...system.matchAll(/"name"\s*:\s*"([A-Za-z_][\w-]{0,63})"/g)].map((match) => match[1] ?? "");
}
