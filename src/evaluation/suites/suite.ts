/**
 * A memory benchmark: conversations that a system is shown, and questions about them.
 *
 * Owns the interface of suites. Leaves out formats and grading (one file per benchmark), systems (`systems/`) and
 * running (`runs/`).
 */
import type { ObservedMessage, RecalledMemory } from "../systems/memory-system.js";

/** One question about a case. */
export interface SuiteQuestion {
  /** Unique in the suite. */
  id: string;
  text: string;
  /** Answers that count as right; empty if only retrieval is graded. */
  answers: readonly string[];
  /** Ids of the messages that hold the answer; empty if the benchmark does not say. */
  evidence: readonly string[];
  /** The benchmark's category of the question. */
  category: string;
  /** What a judge compares the answer with; default: the right answers. */
  reference?: string;
  /** What a memory must hold to answer; default: the messages with the evidence. */
  facts?: readonly string[];
}

/** What a system is shown, starting empty, and what it is then asked. */
export interface SuiteCase {
  id: string;
  /** Shown one after the other. */
  sessions: readonly (readonly ObservedMessage[])[];
  questions: readonly SuiteQuestion[];
}

/** What was recalled and answered. */
export interface Outcome {
  /** Null if no reader was asked. */
  answer: string | null;
  memories: readonly RecalledMemory[];
}

/** A loaded benchmark. */
export interface Suite {
  readonly name: string;
  readonly cases: readonly SuiteCase[];
  /** Memories that the reader is shown, unless the command line says otherwise. */
  readonly k: number;
  /** Memories that are recalled for retrieval metrics; at least `k`. */
  readonly depth: number;
  /** Instruction for the reader, such as what to answer when nothing is known. */
  readonly instruction: string;
  /** Metrics by name, each 0 to 1. */
  grade(question: SuiteQuestion, outcome: Outcome): Record<string, number>;
}

/** The first `limit` questions of a suite, with their cases. */
export function limitSuite(suite: Suite, limit: number): Suite {
  let left = limit;
  const cases = suite.cases.flatMap((each) => {
    const questions = each.questions.slice(0, Math.max(0, left));
    left -= questions.length;
    return questions.length > 0 ? [{ ...each, questions }] : [];
  });
  return { ...suite, cases };
}
