/** The message that stands for summarised ones: how it is written and read back. Pure. */
import type { BaseMessage, HumanMessage } from "@langchain/core/messages";
import { humanMessage, SUMMARY_KEY, SUMMARY_SOURCE, textOf } from "./messages.js";

/** What a summary stands for. */
export interface SummaryInfo {
  editId: string;
  messages: number;
  /** User messages among them; 0 when it stands for the middle of a round. */
  rounds: number;
}

/** Id of the summary an edit puts in. */
export function summaryId(editId: string): string {
  return `${editId}-summary`;
}

/** The summary as a user-role message, delimited so that it is not taken for the user's own words. */
export function summaryMessage(text: string, info: SummaryInfo): HumanMessage {
  const body = text.trim().replace(/<(\/?)context_summary/gi, "&lt;$1context_summary");
  const head = `<context_summary edit="${info.editId}" messages="${info.messages}" rounds="${info.rounds}">`;
  return humanMessage(summaryId(info.editId), `${head}\n${body}\n</context_summary>`, {
    lc_source: SUMMARY_SOURCE,
    [SUMMARY_KEY]: { ...info },
  });
}

/** The summary's own text, without the tags around it. Works on langchain's summaries too (their whole text). */
export function summaryTextOf(message: BaseMessage): string {
  return textOf(message)
    .replace(/^<context_summary [^<>]*>\n/, "")
    .replace(/\n<\/context_summary>$/, "")
    .replace(/&lt;(\/?)context_summary/g, "<$1context_summary");
}
