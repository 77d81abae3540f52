/** A memory tool bench: the six operations on one store and one context, called as a graph would call them. */

import { AIMessage, type BaseMessage, HumanMessage, ToolMessage } from "@langchain/core/messages";
import { type Command, messagesStateReducer } from "@langchain/langgraph";
import { reduceFacts } from "../../src/context/budget.js";
import { LexicalEmbeddings } from "../../src/models/lexical-embeddings.js";
import { OfflineSummarizer } from "../../src/offline/summarizer.js";
import { FaissStore } from "../../src/store/faiss-store.js";
import { createMemoryTools } from "../../src/tools/memory-tools.js";
import type { MemoryToolUpdate } from "../../src/tools/operations.js";
import type { MemoryToolsOptions } from "../../src/tools/toolkit.js";
import { type MemoryOp, type MemoryOpOutcome, type MessageFacts, PAPER_TOOL_NAMES } from "../../src/types.js";

/** An empty store in memory, with lexical embeddings. */
export function openStore(): Promise<FaissStore> {
  return FaissStore.open(":memory:", {
    index: { embeddings: new LexicalEmbeddings(), embeddingName: "lexical", fields: ["content"] },
  });
}

/** What one call left behind. */
export interface Called {
  text: string;
  outcome: MemoryOpOutcome;
  message: ToolMessage;
  update: MemoryToolUpdate;
}

/** The tools with a conversation that their updates are applied to, one call per response. */
export class ToolBench {
  facts: MessageFacts = {};
  #calls = 0;
  readonly tools: ReturnType<typeof createMemoryTools>;

  constructor(
    options: MemoryToolsOptions,
    public messages: BaseMessage[] = [new HumanMessage({ id: "u1", content: "Hello." })],
    public configurable: Record<string, unknown> = { user_id: "ada", thread_id: "t" },
  ) {
    this.tools = createMemoryTools({ summarizer: new OfflineSummarizer(), ...options });
  }

  /** Calls an operation as the only call of a new response and applies its update. */
  async call(
    op: MemoryOp,
    args: Record<string, unknown>,
    extra: Record<string, unknown> = {},
  ): Promise<Called> {
    const id = `call_${++this.#calls}`;
    const name = PAPER_TOOL_NAMES[op];
    const request = new AIMessage({ id: `a_${id}`, content: "", tool_calls: [{ name, args, id }] });
    const messages = [...this.messages, request];
    const called = await this.run(op, args, id, messages, extra);
    this.messages = messagesStateReducer(messages, called.update.messages);
    this.facts = reduceFacts(this.facts, called.update.contextFacts);
    return called;
  }

  /** Calls an operation on given messages and leaves the conversation alone. */
  async run(
    op: MemoryOp,
    args: Record<string, unknown>,
    id: string,
    messages: BaseMessage[],
    extra: Record<string, unknown> = {},
  ): Promise<Called> {
    const name = PAPER_TOOL_NAMES[op];
    const tool = this.tools.find((each) => each.name === name);
    if (!tool) throw new Error(`no tool ${name}`);
    const runtime = {
      configurable: this.configurable,
      state: { messages, contextFacts: this.facts, contextOverhead: 100 },
      toolCallId: id,
      executionInfo: { taskId: `task-${id}` },
      ...extra,
    };
    const command = (await tool.invoke({ name, args, id, type: "tool_call" }, runtime)) as Command;
    const update = command.update as MemoryToolUpdate;
    const message = update.messages.findLast((each) => ToolMessage.isInstance(each)) as ToolMessage;
    return { text: message.text, outcome: message.artifact as MemoryOpOutcome, message, update };
  }

  get texts(): string[] {
    return this.messages.map((message) => message.text);
  }
}

/** A user message, an answer, and so on. */
export function turns(...texts: string[]): BaseMessage[] {
  return texts.map((content, i) =>
    i % 2 === 0 ? new HumanMessage({ id: `m${i}`, content }) : new AIMessage({ id: `m${i}`, content }),
  );
}
