/**
 * agemem with its own agent: a model, or rules, handles each message with the memory operations.
 *
 * Owns how messages are shown (AgeMem, alg. 3: each with similar memories, one response), and which message each memory
 * came from. Recall is a hybrid search like that of RETRIEVE, so that results show what managing the memory gains. With
 * `ltm: false` (the paper's -LT) nothing is stored, and all that is known is the context, as SUMMARY, FILTER and the
 * overflow guard leave it. With `stm: false` (-ST) the context is not edited.
 */
import type { EmbeddingsInterface } from "@langchain/core/embeddings";
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { type BaseMessage, HumanMessage, isToolMessage } from "@langchain/core/messages";
import { type AgeMemAgent, createAgeMemAgent } from "../../agent/agent.js";
import type { AgeMemAgentOptions } from "../../agent/options.js";
import type { AgentUsage } from "../../agent/usage.js";
import { type RetrievedMemory, renderMemories } from "../../context/retrieval.js";
import { plus } from "../../lib/call-usage.js";
import { resolveNamespace } from "../../lib/namespace.js";
import { FaissStore } from "../../store/faiss-store.js";
import { DEFAULT_NAMESPACE } from "../../tools/toolkit.js";
import {
  LTM_OPS,
  type MemoryOp,
  type MemoryOpOutcome,
  type MemoryValue,
  type MessageFacts,
  STM_OPS,
} from "../../types.js";
import {
  combineUsage,
  lineOf,
  type MemorySystem,
  NO_USAGE,
  type ObservedMessage,
  type RecalledMemory,
  type RecallResult,
  type SystemUsage,
} from "./memory-system.js";

/** Options of {@link AgeMemMemory}. */
export interface AgeMemMemoryOptions {
  /** Decides what to do with each message, and writes summaries. */
  model: BaseChatModel;
  index: { embeddings: EmbeddingsInterface; embeddingName: string };
  /** Long-term memory; default true. */
  ltm?: boolean;
  /** SUMMARY and FILTER; default true. */
  stm?: boolean;
  /** Further options of the agent. */
  agent?: Pick<AgeMemAgentOptions, "protocol" | "promptVariant" | "counter" | "budget">;
}

/** The inside of an open memory. */
export interface OpenedMemory {
  store: FaissStore;
  user: string;
  namespace: string[];
  /** Of the last session; with `ltm: false` all that is remembered. */
  context: { messages: BaseMessage[]; contextFacts: MessageFacts };
  /** As recall does, in the store or a fork of it. */
  search(query: string, k: number, store?: Pick<FaissStore, "search">): Promise<RetrievedMemory[]>;
  toMemory(item: Pick<RetrievedMemory, "id" | "value" | "score">): RecalledMemory;
}

/** Memories shown with each message, as in the paper. */
const SHOWN = 3;

/** agemem, managed by a policy. */
export class AgeMemMemory implements MemorySystem {
  readonly name: string;
  /** Successful operations since `reset`. */
  operations: Partial<Record<MemoryOp, number>> = {};
  #store: FaissStore | undefined;
  #agent: AgeMemAgent | undefined;
  #user = "";
  #context: { messages: BaseMessage[]; contextFacts: MessageFacts } = { messages: [], contextFacts: {} };
  readonly #sources = new Map<string, Set<string>>();

  constructor(private readonly options: AgeMemMemoryOptions) {
    const { ltm = true, stm = true } = options;
    this.name = ltm && stm ? "agemem" : ltm ? "agemem-no-stm" : "agemem-no-ltm";
  }

  async reset({ user }: { user: string }): Promise<void> {
    await this.close();
    const { model, index, ltm = true, stm = true, agent = {} } = this.options;
    this.#store = await FaissStore.open(":memory:", { index: { ...index, fields: ["content"] } });
    const context: MemoryOp[] = stm ? STM_OPS.filter((op) => op !== "RETRIEVE") : [];
    const operations = [...(ltm ? LTM_OPS : []), ...context];
    this.#agent = createAgeMemAgent({ ...agent, model, store: this.#store, operations });
    this.#user = user;
    this.operations = {};
    this.#sources.clear();
    this.#context = { messages: [], contextFacts: {} };
  }

  async observe(messages: readonly ObservedMessage[]): Promise<SystemUsage> {
    let usage = NO_USAGE;
    // Each session has its own context, unless the context is the only memory.
    if (this.options.ltm ?? true) this.#context = { messages: [], contextFacts: {} };
    for (const message of messages) usage = combineUsage(usage, await this.#show(message));
    return usage;
  }

  async recall(query: string, { k }: { k: number }): Promise<RecallResult> {
    if (!(this.options.ltm ?? true)) return { memories: await this.all(), usage: NO_USAGE };
    const found = await this.#search(query, k);
    return { memories: found.map((item) => this.#toMemory(item)), usage: NO_USAGE };
  }

  async all(): Promise<RecallResult["memories"]> {
    if (!(this.options.ltm ?? true)) {
      const kept = this.#context.messages.filter(({ type }) => type === "human");
      return kept.map(({ text, id }) => ({
        text,
        score: null,
        sources: id?.startsWith("m:") ? [id.slice(2)] : [],
      }));
    }
    const store = this.#opened();
    const found = await store.search(this.#namespace(), { limit: 1_000_000 });
    return found.map(({ key, value }) => this.#toMemory({ id: key, value: value as MemoryValue }));
  }

  /** What an agent needs to answer from this memory (`agemem-answer.ts`). Throws before `reset`. */
  opened(): OpenedMemory {
    const toMemory = (item: Pick<RetrievedMemory, "id" | "value" | "score">) => this.#toMemory(item);
    return {
      store: this.#opened(),
      user: this.#user,
      namespace: this.#namespace(),
      context: this.#context,
      search: (query, k, store) => this.#search(query, k, store),
      toMemory,
    };
  }

  async close(): Promise<void> {
    await this.#store?.close();
    this.#store = undefined;
  }

  async #show(message: ObservedMessage): Promise<SystemUsage> {
    const line = lineOf(message);
    const near = (this.options.ltm ?? true) ? await this.#search(line, SHOWN) : [];
    const shown = renderMemories(near, { query: line });
    const text = (this.options.ltm ?? true) ? `${line}\n\n${shown}` : line;
    const id = message.id === undefined ? {} : { id: `m:${message.id}` };
    const told = new HumanMessage({ content: text, ...id });
    const before = this.#context.messages.length;
    const result = await (this.#agent as AgeMemAgent).invoke(
      { ...this.#context, messages: [...this.#context.messages, told] },
      { context: { user_id: this.#user, max_steps: 1, on_max_steps: "stop" } },
    );
    this.#context = { messages: result.messages, contextFacts: result.contextFacts };
    const fresh = result.messages.slice(Math.min(before, result.messages.length - 1));
    this.#note(fresh, message.id, new Map(near.map(({ id: key, value }) => [key, value.content])));
    return usageOf(result.usage);
  }

  /** Counts operations, and notes which message each memory came from. */
  #note(
    messages: readonly BaseMessage[],
    source: string | undefined,
    before: ReadonlyMap<string, string>,
  ): void {
    for (const message of messages) {
      const done = isToolMessage(message) ? (message.artifact as MemoryOpOutcome | undefined) : undefined;
      if (!done?.ok) continue;
      this.operations[done.op] = (this.operations[done.op] ?? 0) + 1;
      if (source === undefined) continue;
      for (const id of done.memoryIds) {
        if (done.op === "ADD") this.#sources.set(id, new Set([source]));
        // An update that contains the old content keeps its sources; otherwise only the newest source counts.
        if (done.op === "UPDATE") {
          const old = before.get(id);
          const kept = old !== undefined && contentOf(messages, done.toolCallId).includes(old);
          this.#sources.set(id, new Set([...(kept ? (this.#sources.get(id) ?? []) : []), source]));
        }
      }
    }
  }

  async #search(
    query: string,
    k: number,
    store: Pick<FaissStore, "search"> = this.#opened(),
  ): Promise<RetrievedMemory[]> {
    const found = await store.search(this.#namespace(), { query, limit: k, mode: "hybrid" });
    return found.map(({ key, value, score, createdAt, updatedAt }) => ({
      id: key,
      value: value as MemoryValue,
      createdAt,
      updatedAt,
      ...(score === undefined ? {} : { score }),
    }));
  }

  #toMemory({
    id,
    value,
    score,
  }: Pick<RetrievedMemory, "id" | "value" | "score">): RecallResult["memories"][number] {
    return { text: value.content, score: score ?? null, sources: [...(this.#sources.get(id) ?? [])] };
  }

  /** The namespace in which the agent's tools keep this user's memories. */
  #namespace(): string[] {
    return resolveNamespace(DEFAULT_NAMESPACE, { user_id: this.#user });
  }

  #opened(): FaissStore {
    if (!this.#store) throw new TypeError(`${this.name}: call reset() first.`);
    return this.#store;
  }
}

/** The content that a call stores. */
function contentOf(messages: readonly BaseMessage[], toolCallId: string): string {
  const calls = messages.flatMap((message) =>
    "tool_calls" in message ? (message.tool_calls as Call[]) : [],
  );
  return String(calls.find(({ id }) => id === toolCallId)?.args.content ?? "");
}

interface Call {
  id?: string;
  args: Record<string, unknown>;
}

function usageOf({ policy, auxiliary }: AgentUsage): SystemUsage {
  return {
    ...NO_USAGE,
    calls: policy.calls + auxiliary.calls,
    promptTokens: plus(policy.promptTokens, auxiliary.promptTokens),
    responseTokens: plus(policy.completionTokens, auxiliary.completionTokens),
  };
}
