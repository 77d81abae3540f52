/**
 * agemem that answers by itself, as in the paper's third stage: the agent is asked, and retrieves, edits its context and answers.
 *
 * Two ways to retrieve: by its own RETRIEVE, with SUMMARY and FILTER, or the paper's "-RAG" variant, in which retrieval at every
 * step, appended to the context, takes the place of all three. Each question is asked on a fork of long-term memory, so that it finds
 * what the conversation left, whatever other questions were asked. How the conversation was shown is `agemem-memory.ts`.
 */
import { type BaseMessage, HumanMessage, isToolMessage } from "@langchain/core/messages";
import { createAgeMemAgent } from "../../agent/agent.js";
import { renderMemories } from "../../context/retrieval.js";
import { addCalls, NO_CALLS } from "../../lib/call-usage.js";
import {
  LTM_OPS,
  type MemoryOpOutcome,
  type MemoryValue,
  type MessageFacts,
  STM_OPS,
  type VersionedStore,
} from "../../types.js";
import { AgeMemMemory, type AgeMemMemoryOptions } from "./agemem-memory.js";
import type {
  AnswerOptions,
  MemorySystem,
  ObservedMessage,
  RecalledMemory,
  RecallResult,
  SystemAnswer,
  SystemUsage,
} from "./memory-system.js";

/** Options of {@link AnsweringAgeMem}. */
export interface AnsweringAgeMemOptions extends AgeMemMemoryOptions {
  name: string;
  /** "tool": the agent's RETRIEVE, SUMMARY and FILTER; "every step": in their place, what is nearest to the question. */
  retrieval: "tool" | "every step";
}

/** Model calls for one question; the last one has to answer. */
const MAX_STEPS = 8;

/** agemem whose own agent answers. */
export class AnsweringAgeMem implements MemorySystem {
  readonly name: string;
  readonly #memory: AgeMemMemory;

  constructor(private readonly options: AnsweringAgeMemOptions) {
    this.name = options.name;
    this.#memory = new AgeMemMemory({ ...options, stm: options.retrieval === "tool" });
  }

  /** Successful operations while it was shown the conversation. */
  get operations(): AgeMemMemory["operations"] {
    return this.#memory.operations;
  }

  reset(scope: { user: string }): Promise<void> {
    return this.#memory.reset(scope);
  }

  observe(messages: readonly ObservedMessage[]): Promise<SystemUsage> {
    return this.#memory.observe(messages);
  }

  recall(query: string, options: { k: number }): Promise<RecallResult> {
    return this.#memory.recall(query, options);
  }

  all(): Promise<readonly RecalledMemory[]> {
    return this.#memory.all();
  }

  close(): Promise<void> {
    return this.#memory.close();
  }

  async answer(question: string, options: AnswerOptions): Promise<SystemAnswer> {
    const { store } = this.#memory.opened();
    const fork = await store.fork();
    try {
      return await this.#ask(question, options, fork);
    } finally {
      await fork.discard();
    }
  }

  async #ask(
    question: string,
    { instruction, k, signal }: AnswerOptions,
    store: VersionedStore,
  ): Promise<SystemAnswer> {
    const { model, agent: given = {}, retrieval } = this.options;
    const { user, namespace, toMemory, search } = this.#memory.opened();
    const byItself = retrieval === "tool";
    const operations = byItself ? [...LTM_OPS, ...STM_OPS] : [...LTM_OPS];
    const agent = createAgeMemAgent({ ...given, model, store, operations, systemPrompt: instruction });
    let context: { messages: BaseMessage[]; contextFacts: MessageFacts } = { messages: [], contextFacts: {} };
    const memories = new Map<string, RecalledMemory>();
    const counts: Record<string, number> = {};
    let [policy, auxiliary] = [NO_CALLS, NO_CALLS];
    for (let step = 1; step <= MAX_STEPS; step++) {
      const near = byItself ? [] : await search(question, k, store);
      for (const item of near) memories.set(item.id, toMemory(item));
      const shown = near.length > 0 ? renderMemories(near, { query: question }) : "";
      const said = [step === 1 ? question : "", shown].filter(Boolean).join("\n\n");
      const before = context.messages.length;
      const told = said ? [new HumanMessage(said)] : [];
      const result = await agent.invoke(
        { ...context, messages: [...context.messages, ...told] },
        {
          context: { user_id: user, max_steps: 1, on_max_steps: step === MAX_STEPS ? "answer" : "stop" },
          ...(signal ? { signal } : {}),
        },
      );
      policy = addCalls(policy, result.usage.policy);
      auxiliary = addCalls(auxiliary, result.usage.auxiliary);
      for (const done of outcomesIn(result.messages.slice(Math.min(before, result.messages.length)))) {
        counts[done.op] = (counts[done.op] ?? 0) + 1;
        if (done.op !== "RETRIEVE") continue;
        for (const id of done.memoryIds) {
          const item = await store.get(namespace, id);
          if (item) memories.set(id, toMemory({ id, value: item.value as MemoryValue }));
        }
      }
      // A response that stayed malformed after its repair ends the attempt, as an empty answer.
      if (result.status !== "max_steps" || result.finalAnswer) {
        return answered(result.finalAnswer ?? "", memories, { policy, auxiliary }, counts);
      }
      context = { messages: result.messages, contextFacts: result.contextFacts };
    }
    return answered("", memories, { policy, auxiliary }, counts);
  }
}

function answered(
  text: string,
  memories: ReadonlyMap<string, RecalledMemory>,
  usage: SystemAnswer["usage"],
  operations: Record<string, number>,
): SystemAnswer {
  return { text: text.trim(), memories: [...memories.values()], usage, operations };
}

/** Successful operations among messages. */
function outcomesIn(messages: readonly BaseMessage[]): MemoryOpOutcome[] {
  return messages.flatMap((message) => {
    const done = isToolMessage(message) ? (message.artifact as MemoryOpOutcome | undefined) : undefined;
    return done?.ok ? [done] : [];
  });
}
