/**
 * Reads the tool calls a model wrote into its text: one result for all forms.
 *
 * Owns the result, reasoning in `<think>`, and the choice of parser. Leaves out the forms themselves (`forms.ts`) and
 * which model writes which (`families.ts`). Pure.
 */
import { FORMS, type FoundCall, type FoundCalls, type ToolTextForm } from "./forms.js";

export type { ToolTextForm } from "./forms.js";

/** The parts of a response's text. */
export interface ToolText {
  /** What is left for the user. */
  content: string;
  /** The text in `<think>`; null if there was none. */
  reasoning: string | null;
  calls: FoundCall[];
  /** What is wrong with a malformed call, told to the model; null if all calls could be read. */
  broken: string | null;
  /** What a server's own parser would refuse in calls that can be read; null if nothing. */
  unusual: string | null;
}

/**
 * Reads a text. Marked calls (`<tool_call>`, `[TOOL_CALLS]`, `<|python_tag|>`) count whatever tool they name; JSON without
 * a mark counts only if it names one of the offered tools, so that an answer about JSON stays an answer.
 *
 * @param form the form the model writes, or "any" to try all
 * @param names offered tools
 * @example
 * readToolText('<tool_call>{"name":"f","arguments":{}}</tool_call>', "hermes", new Set(["f"])).calls[0]?.name; // "f"
 */
export function readToolText(text: string, form: ToolTextForm | "any", names: ReadonlySet<string>): ToolText {
  const { reasoning, rest, open } = splitReasoning(text);
  const none: FoundCalls = { calls: [], content: rest, broken: null };
  const tried = form === "any" ? Object.values(FORMS) : [FORMS[form]];
  let found = none;
  for (const read of tried) {
    found = read(rest, names);
    if (found.calls.length > 0 || found.broken !== null) break;
  }
  const broken = found.broken ?? (open && found.calls.length === 0 ? "its <think> is not closed" : null);
  const calls = broken === null ? found.calls : [];
  return { content: found.content.trim(), reasoning, calls, broken, unusual: found.unusual ?? null };
}

/** Reasoning before the last `</think>`; chat templates often write the opening tag themselves. */
function splitReasoning(text: string): { reasoning: string | null; rest: string; open: boolean } {
  const close = text.lastIndexOf("</think>");
  const start = text.indexOf("<think>");
  if (close >= 0 && (start < 0 || start < close)) {
    const before = start < 0 ? "" : text.slice(0, start);
    const inner = text.slice(start < 0 ? 0 : start + "<think>".length, close);
    return {
      reasoning: inner.replace(/<\/?think>/g, "").trim(),
      rest: before + text.slice(close + "</think>".length),
      open: false,
    };
  }
  if (/^\s*<think>/.test(text)) {
    return { reasoning: text.replace("<think>", "").trim(), rest: "", open: true };
  }
  return { reasoning: null, rest: text, open: false };
}
