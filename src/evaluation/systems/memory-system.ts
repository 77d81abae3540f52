/**
 * A memory beside an agent, as benchmarks drive it: it is shown a conversation, and asked what it remembers.
 *
 * Owns the interface that agemem's own memory, the built-in baselines and other projects' memories (over HTTP) share; all
 * pass one conformance suite. Leaves out who answers with what is recalled, and how answers are counted (`suites/`).
 */

import { plus } from "../../lib/call-usage.js";

/** One message of a conversation. */
export interface ObservedMessage {
  role: "user" | "assistant";
  content: string;
  /** Of the turn in the benchmark, such as LoCoMo's "D3:7"; evidence is told by it. */
  id?: string;
  /** When it was said, as the benchmark words it. */
  time?: string;
  /** Who said it, in conversations of two people. */
  speaker?: string;
}

/** Something that a system holds. */
export interface RecalledMemory {
  text: string;
  /** Higher is nearer; null where the system gives none. */
  score: number | null;
  /** Ids of the messages it was taken from, where the system knows. */
  sources: readonly string[];
}

/** What a system's own model calls cost. Zeros for one that calls no model. */
export interface SystemUsage {
  /** Calls of a language model. */
  calls: number;
  /** Null when the server of one call did not report them. */
  promptTokens: number | null;
  responseTokens: number | null;
  /** Requests to an embedding model, and the tokens in them. */
  embeddingCalls: number;
  embeddingTokens: number;
}

/** What {@link MemorySystem.recall} brings. */
export interface RecallResult {
  /** Best first. */
  memories: readonly RecalledMemory[];
  usage: SystemUsage;
}

/** A memory that is compared with others. */
export interface MemorySystem {
  /** As it stands in results and tables. */
  readonly name: string;
  /** Forgets everything, and takes what follows as this user's. Call it first. */
  reset(scope: { user: string }): Promise<void>;
  /**
   * Shows it messages, in the order in which they were said; it keeps of them what it will.
   *
   * @throws EnvironmentError `AGEMEM_SYSTEM_FAILED` when another project's memory fails or cannot be reached
   */
  observe(messages: readonly ObservedMessage[]): Promise<SystemUsage>;
  /** What it remembers for a question, at most `k` memories; a system that does not choose brings all. */
  recall(query: string, options: { k: number; signal?: AbortSignal }): Promise<RecallResult>;
  /** Everything it holds now, in no particular order. */
  all(): Promise<readonly RecalledMemory[]>;
  /** Gives up what it holds; safe to call twice. */
  close(): Promise<void>;
}

/** Usage of a system that calls no model. */
export const NO_USAGE: SystemUsage = {
  calls: 0,
  promptTokens: 0,
  responseTokens: 0,
  embeddingCalls: 0,
  embeddingTokens: 0,
};

/** The sum of two usages, or what was used between two readings of a meter (`sign` -1). */
export function combineUsage(a: SystemUsage, b: SystemUsage, sign: 1 | -1 = 1): SystemUsage {
  return {
    calls: a.calls + sign * b.calls,
    promptTokens: plus(a.promptTokens, signed(b.promptTokens, sign)),
    responseTokens: plus(a.responseTokens, signed(b.responseTokens, sign)),
    embeddingCalls: a.embeddingCalls + sign * b.embeddingCalls,
    embeddingTokens: a.embeddingTokens + sign * b.embeddingTokens,
  };
}

function signed(tokens: number | null, sign: 1 | -1): number | null {
  return tokens === null ? null : sign * tokens;
}

/** A message as one line that says who said it and when: what systems that keep messages keep. */
export function lineOf({ content, speaker, time }: ObservedMessage): string {
  const said = speaker === undefined ? content : `${speaker}: ${content}`;
  return time === undefined ? said : `[${time}] ${said}`;
}
