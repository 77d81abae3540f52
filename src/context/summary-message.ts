/** The message that replaces summarized ones: how it is written and read back. Pure. */
import type { BaseMessage, HumanMessage } from "@langchain/core/messages";
import { defuse, restoreTags } from "../text/escaping.js";
import { humanMessage, SUMMARY_KEY, SUMMARY_SOURCE, textOf } from "./messages.js";

/** What a summary replaced. */
export interface SummaryInfo {
  editId: string;
  messages: number;
  /** How many of them were user messages; 0 for a summary of the middle of a round. */
  rounds: number;
}

/** Tags with a meaning in prompts. A summary repeats what others said, so it must not be able to open or close them. */
const BLOCKS = [
  "context_summary",
  "previous_summary",
  "retrieved_memories",
  "memory",
  "tool_result",
  "transcript",
  "message",
] as const;

const END = "\n</context_summary>";

/** Id of the summary that an edit adds. */
export function summaryId(editId: string): string {
  return `${editId}-summary`;
}

/** The summary as a user-role message, tagged so that it is not taken for the user's own words. */
export function summaryMessage(text: string, info: SummaryInfo): HumanMessage {
  const body = defuse(text.trim(), BLOCKS);
  const head = `<context_summary edit="${info.editId}" messages="${info.messages}" rounds="${info.rounds}">`;
  return humanMessage(summaryId(info.editId), `${head}\n${body}${END}`, {
    lc_source: SUMMARY_SOURCE,
    [SUMMARY_KEY]: { ...info },
  });
}

/** The summary's text without the tags around it; for langchain's summaries, their whole text. */
export function summaryTextOf(message: BaseMessage): string {
  const text = textOf(message).replace(/^<context_summary [^<>]*>\n/, "");
  const body = text.endsWith(END) ? text.slice(0, -END.length) : text;
  return restoreTags(body, BLOCKS);
}
