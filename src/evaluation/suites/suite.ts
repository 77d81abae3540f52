/**
 * A benchmark of memory: conversations that a system is shown, and questions about them.
 *
 * Owns what suites have in common and how an answer is graded. Leaves out the formats (one file per benchmark), the systems, and
 * running (`runs/`).
 */
import type { ObservedMessage, RecalledMemory } from "../systems/memory-system.js";

/** One question about a case. */
export interface SuiteQuestion {
  /** Unique in the suite. */
  id: string;
  text: string;
  /** Answers that count as right; empty where only retrieval is graded. */
  answers: readonly string[];
  /** Ids of the messages that hold the answer; empty where the benchmark does not say. */
  evidence: readonly string[];
  /** As the benchmark sorts its questions. */
  category: string;
  /** What a judge compares an answer with; default: the right answers. */
  reference?: string;
  /** What a memory has to hold for the answer; default: the messages of the evidence. */
  facts?: readonly string[];
}

/** What a system is shown from the beginning, and what it is asked then. */
export interface SuiteCase {
  id: string;
  /** Shown one after the other. */
  sessions: readonly (readonly ObservedMessage[])[];
  questions: readonly SuiteQuestion[];
}

/** What was recalled and answered. */
export interface Outcome {
  /** Null when nobody was asked to answer. */
  answer: string | null;
  memories: readonly RecalledMemory[];
}

/** A loaded benchmark. */
export interface Suite {
  readonly name: string;
  /** What tables show first. */
  readonly mainMetric: string;
  readonly cases: readonly SuiteCase[];
  /** Memories that the reader is shown; default of the command line. */
  readonly k: number;
  /** Memories that are recalled for measures of retrieval; at least `k`. */
  readonly depth: number;
  /** Told to the reader, such as what to answer when nothing is known. */
  readonly instruction: string;
  /** Figures by name, each 0 to 1. */
  grade(question: SuiteQuestion, outcome: Outcome): Record<string, number>;
}

/** The first `limit` questions of a suite, with the cases that they are about. */
export function limitSuite(suite: Suite, limit: number): Suite {
  let left = limit;
  const cases = suite.cases.flatMap((each) => {
    const questions = each.questions.slice(0, Math.max(0, left));
    left -= questions.length;
    return questions.length > 0 ? [{ ...each, questions }] : [];
  });
  return { ...suite, cases };
}
