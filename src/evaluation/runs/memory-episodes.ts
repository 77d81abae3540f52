/**
 * A memory benchmark as episodes: each case is shown to a system once, then each of its questions is one episode.
 *
 * Owns the reader's prompt, which is the same for all systems (the question alone if nothing was recalled), and what is
 * counted. Leaves out the systems and grading.
 */
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { HumanMessage, SystemMessage } from "@langchain/core/messages";
import { plus, reportedTokens } from "../../lib/call-usage.js";
import { describeModelError } from "../../models/chat-model.js";
import type { Judge } from "../../rewards/judge.js";
import type { CallUsage, TokenCounter } from "../../types.js";
import type { Suite, SuiteCase, SuiteQuestion } from "../suites/suite.js";
import type { MemorySystem, RecalledMemory, SystemUsage } from "../systems/memory-system.js";
import { recalledBlock } from "../systems/recalled-block.js";
import { factsOf, judgeAnswer } from "./judging.js";
import type { EpisodeBatch, EpisodeOutcome } from "./run.js";

/** Which system is tested on a suite, and which model answers. */
export interface MemoryRun {
  suite: Suite;
  system: string;
  /** Opens a fresh system for each case, so that cases can run at the same time. */
  open(): Promise<MemorySystem>;
  /** Answers from what is recalled; undefined if only retrieval is measured. */
  reader: BaseChatModel | undefined;
  counter: TokenCounter;
  seed: number;
  /** Memories that the reader is shown; default: the suite's `k`. */
  k?: number;
  /** Makes a judge for one case; default: no judge. */
  judge?: () => Judge;
}

/** The batches of one system, for `runEvaluation`. */
export function memoryBatches(run: MemoryRun): EpisodeBatch[] {
  return run.suite.cases.map((each) => caseBatch(run, each));
}

function caseBatch(run: MemoryRun, each: SuiteCase): EpisodeBatch {
  let memory: MemorySystem | undefined;
  let held: string[] = [];
  const judge = run.judge?.();
  return {
    suite: run.suite.name,
    system: run.system,
    seed: run.seed,
    case: each.id,
    async begin() {
      memory = await run.open();
      await memory.reset({ user: `${each.id}/${run.seed}`.replaceAll(".", "-") });
      let auxiliary = NO_TOKENS;
      for (const session of each.sessions) auxiliary = plusUsage(auxiliary, await memory.observe(session));
      const all = await memory.all();
      held = all.map(({ text }) => text);
      return {
        messages: each.sessions.flat().length,
        auxiliary,
        operations: { ...(memory as { operations?: Record<string, number> }).operations },
        stored: all.length,
        stored_tokens: tokensIn(all, run.counter),
      };
    },
    episodes: each.questions.map((question) => ({
      task: question.id,
      category: question.category,
      play: (signal) => ask(run, memory as MemorySystem, question, signal),
      ...(judge
        ? {
            judge: ({ answer }: EpisodeOutcome) =>
              judgeAnswer(judge, { question, facts: factsOf(each, question) }, { answer, held }),
          }
        : {}),
    })),
    end: async () => memory?.close(),
  };
}

async function ask(
  run: MemoryRun,
  memory: MemorySystem,
  question: SuiteQuestion,
  signal: AbortSignal | undefined,
): Promise<EpisodeOutcome> {
  const { suite, reader, counter, k = suite.k } = run;
  if (memory.answer && reader) return askAgent(run, memory as Required<MemorySystem>, question, signal);
  const depth = Math.max(k, suite.depth);
  const { memories, usage } = await memory.recall(question.text, { k: depth, ...(signal ? { signal } : {}) });
  // A system without selection returns more than it was asked for, and the reader gets all of it.
  const shown = memories.length > depth ? memories : memories.slice(0, k);
  const read = reader ? await answer(reader, suite.instruction, question.text, shown, signal) : undefined;
  return {
    metrics: suite.grade(question, { answer: read?.text ?? null, memories }),
    answer: read?.text ?? null,
    recalled: shown.length,
    recalled_tokens: tokensIn(shown, counter),
    policy: read?.usage ?? NO_TOKENS,
    auxiliary: plusUsage(NO_TOKENS, usage),
    operations: {},
  };
}

/** A system that answers by itself: the same instruction, its own retrieval. */
async function askAgent(
  { suite, counter, k = suite.k }: MemoryRun,
  memory: Required<MemorySystem>,
  question: SuiteQuestion,
  signal: AbortSignal | undefined,
): Promise<EpisodeOutcome> {
  const asked = { instruction: instructionOf(suite.instruction), k, ...(signal ? { signal } : {}) };
  const { text, memories, usage, operations } = await memory.answer(question.text, asked);
  return {
    metrics: suite.grade(question, { answer: text, memories }),
    answer: text,
    recalled: memories.length,
    recalled_tokens: tokensIn(memories, counter),
    policy: callsOf(usage.policy),
    auxiliary: callsOf(usage.auxiliary),
    operations,
  };
}

function callsOf({ calls, promptTokens, completionTokens }: CallUsage): EpisodeOutcome["policy"] {
  return { calls, prompt_tokens: promptTokens, response_tokens: completionTokens };
}

function instructionOf(instruction: string): string {
  const lines = ["Answer the question in as few words as possible, without explanation.", instruction];
  return lines.filter(Boolean).join(" ");
}

async function answer(
  reader: BaseChatModel,
  instruction: string,
  question: string,
  memories: readonly RecalledMemory[],
  signal: AbortSignal | undefined,
): Promise<{ text: string; usage: EpisodeOutcome["policy"] }> {
  const messages = [
    new SystemMessage(instructionOf(instruction)),
    new HumanMessage(prompt(question, memories)),
  ];
  try {
    const response = await reader.invoke(messages, signal ? { signal } : {});
    const { promptTokens, completionTokens } = reportedTokens(response);
    const usage = { calls: 1, prompt_tokens: promptTokens, response_tokens: completionTokens };
    return { text: response.text.trim(), usage };
  } catch (error) {
    signal?.throwIfAborted();
    throw describeModelError(error);
  }
}

function prompt(question: string, memories: readonly RecalledMemory[]): string {
  if (memories.length === 0) return question;
  return `${recalledBlock(memories)}\n\n${question}`;
}

const NO_TOKENS: EpisodeOutcome["auxiliary"] = { calls: 0, prompt_tokens: 0, response_tokens: 0 };

function plusUsage(a: EpisodeOutcome["auxiliary"], b: SystemUsage): EpisodeOutcome["auxiliary"] {
  const embedded = (a.embedding_tokens ?? 0) + b.embeddingTokens;
  return {
    calls: a.calls + b.calls,
    prompt_tokens: plus(a.prompt_tokens, b.promptTokens),
    response_tokens: plus(a.response_tokens, b.responseTokens),
    ...(embedded > 0 ? { embedding_tokens: embedded } : {}),
  };
}

function tokensIn(memories: readonly RecalledMemory[], counter: TokenCounter): number {
  return memories.reduce((sum, { text }) => sum + counter.countText(text), 0);
}
