/** The message that stands for summarized ones: how it is written and read back. Pure. */
import type { BaseMessage, HumanMessage } from "@langchain/core/messages";
import { defuse, restoreTags } from "../text/escaping.js";
import { humanMessage, SUMMARY_KEY, SUMMARY_SOURCE, textOf } from "./messages.js";

/** What a summary stands for. */
export interface SummaryInfo {
  editId: string;
  messages: number;
  /** User messages among them; 0 when it stands for the middle of a round. */
  rounds: number;
}

/** Blocks that the prompt gives a meaning: a summary, written from what others said, can neither open nor close one. */
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

/** Id of the summary an edit puts in. */
export function summaryId(editId: string): string {
  return `${editId}-summary`;
}

/** The summary as a user-role message, delimited so that it is not taken for the user's own words. */
export function summaryMessage(text: string, info: SummaryInfo): HumanMessage {
  const body = defuse(text.trim(), BLOCKS);
  const head = `<context_summary edit="${info.editId}" messages="${info.messages}" rounds="${info.rounds}">`;
  return humanMessage(summaryId(info.editId), `${head}\n${body}${END}`, {
    lc_source: SUMMARY_SOURCE,
    [SUMMARY_KEY]: { ...info },
  });
}

/** The summary's own text, without the tags around it. Works on langchain's summaries too (their whole text). */
export function summaryTextOf(message: BaseMessage): string {
  const text = textOf(message).replace(/^<context_summary [^<>]*>\n/, "");
  const body = text.endsWith(END) ? text.slice(0, -END.length) : text;
  return restoreTags(body, BLOCKS);
}
