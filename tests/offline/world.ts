/** A stand-in for the agent: runs the offline policy's calls against a small memory, in the formats of the tools. */
import {
  type AIMessage,
  type BaseMessage,
  HumanMessage,
  SystemMessage,
  ToolMessage,
} from "@langchain/core/messages";
import { lexicalSimilarity } from "../../src/models/lexical-embeddings.js";
import { OfflinePolicy, type OfflinePolicyOptions } from "../../src/offline/policy.js";
import { OfflineSummarizer } from "../../src/offline/summarizer.js";
import { splitSentences } from "../../src/text/text.js";
import { PAPER_TOOL_NAMES } from "../../src/types.js";

export const TOOLS = Object.values(PAPER_TOOL_NAMES).map((name) => ({
  name,
  description: name,
  schema: { type: "object", properties: {} },
}));

export interface WorldCall {
  name: string;
  args: Record<string, unknown>;
  result: string;
}

/** One conversation with its long-term memory. `fail` makes every tool call an error. */
export class OfflineWorld {
  messages: BaseMessage[] = [];
  readonly memories = new Map<string, string>();
  maxTokens = 100_000;
  fail = false;
  private ids = 0;
  private readonly options: OfflinePolicyOptions;

  constructor(options: OfflinePolicyOptions = {}) {
    this.options = options;
  }

  /** Runs one user message to its answer and returns the calls made on the way. */
  async say(
    text: string,
    maxSteps = 12,
  ): Promise<{ answer: string; calls: WorldCall[]; thoughts: string[] }> {
    this.messages.push(new HumanMessage(text));
    const calls: WorldCall[] = [];
    const thoughts: string[] = [];
    for (let step = 0; step < maxSteps; step++) {
      const response = await this.respond();
      this.messages.push(response);
      if (!response.tool_calls?.length) return { answer: response.text, calls, thoughts };
      thoughts.push(response.text);
      for (const call of response.tool_calls) {
        const result = this.fail
          ? "Error: AGEMEM_INPUT_ARGUMENT: refused."
          : await this.run(call.name, call.args);
        calls.push({ name: call.name, args: call.args, result });
        this.messages.push(
          new ToolMessage({
            content: result,
            tool_call_id: call.id ?? "",
            name: call.name,
            status: result.startsWith("Error") ? "error" : "success",
          }),
        );
      }
    }
    throw new Error(`no answer after ${maxSteps} steps: ${calls.map((call) => call.name).join(", ")}`);
  }

  /** One policy call on the conversation as it stands. */
  async respond(): Promise<AIMessage> {
    const share = Math.round((this.tokens() / this.maxTokens) * 10) * 10;
    const system = new SystemMessage(
      `You are a helpful assistant.\n\nContext: about ${share}% of ${this.maxTokens} tokens used.`,
    );
    return new OfflinePolicy(this.options).bindTools(TOOLS).invoke([system, ...this.messages]);
  }

  tokens(): number {
    const size = (message: BaseMessage) =>
      message.text.length + JSON.stringify((message as AIMessage).tool_calls ?? []).length;
    return 1000 + this.messages.reduce((sum, message) => sum + size(message) / 4, 0);
  }

  private async run(name: string, args: Record<string, unknown>): Promise<string> {
    const id = String(args.memory_id ?? "");
    const content = String(args.content ?? "");
    if (name === "Add_memory") return this.add(content);
    if (name === "Retrieve_memory") return this.retrieve(String(args.query), Number(args.top_k ?? 3));
    if (name === "Summary_context") return this.summarize();
    if (name === "Filter_context") return this.filter(String(args.criteria));
    if (!this.memories.has(id)) return `Error: AGEMEM_MEMORY_NOT_FOUND: There is no memory "${id}".`;
    if (name === "Update_memory") this.memories.set(id, content);
    else if (args.confirmation !== true) return "Error: AGEMEM_MEMORY_NOT_CONFIRMED: not deleted.";
    else this.memories.delete(id);
    return `${name === "Update_memory" ? "Updated" : "Deleted"} memory ${id}.`;
  }

  private add(content: string): string {
    for (const [id, known] of this.memories) {
      if (known === content) return `Error: AGEMEM_MEMORY_DUPLICATE: Memory ${id} already says "${known}"`;
    }
    const id = `mabc${100 + this.ids++}`;
    this.memories.set(id, content);
    return `Stored as memory ${id}.`;
  }

  private retrieve(query: string, topK: number): string {
    const found = [...this.memories]
      .map(([id, content]) => ({ id, content, score: lexicalSimilarity(query, content) }))
      .sort((a, b) => b.score - a.score)
      .slice(0, topK);
    const lines = found.map(
      ({ id, content, score }) =>
        `<memory id="${id}" type="fact" updated="2026-11-20" score="${score.toFixed(2)}">${escapeXml(content)}</memory>`,
    );
    return `<retrieved_memories query="${escapeXml(query)}" count="${found.length}">\n${lines.join("\n")}\n</retrieved_memories>`;
  }

  private async summarize(): Promise<string> {
    const newest = this.messages.findLastIndex(
      (message) => message.type === "human" && !message.text.startsWith("<"),
    );
    const old = this.messages.slice(0, newest);
    if (old.length === 0) return "Error: AGEMEM_EDIT_EMPTY: nothing to summarize.";
    const transcript = old.map(
      (message) => `<message role="${role(message)}">${escapeXml(message.text)}</message>`,
    );
    const summary = await new OfflineSummarizer().invoke(`Transcript:\n${transcript.join("\n")}`);
    const before = Math.round(this.tokens());
    this.messages.splice(0, newest, new HumanMessage(`<summary edit="e1">\n${summary.text}\n</summary>`));
    return `Summarized ${old.length} messages (${before} -> ${Math.round(this.tokens())} tokens). Edit e1.`;
  }

  /** As the context does it: long messages passage by passage, short ones whole, the newest only when long. */
  private filter(criteria: string): string {
    const lines = criteria.split("\n");
    const near = (text: string) => lines.some((line) => lexicalSimilarity(line, text) >= 0.6);
    const newest = this.messages.findLast(
      (message) => message.type === "human" && !message.text.startsWith("<"),
    );
    let removed = 0;
    for (const message of [...this.messages]) {
      if (message.type !== "human") continue;
      if (message.text.length >= 512) {
        const parts = message.text.split(/\n+/).flatMap(splitSentences);
        const kept = parts.filter((part) => !near(part));
        if (kept.length === parts.length) continue;
        removed += parts.length - kept.length;
        message.content = [`[filtered ${parts.length - kept.length} passages, e124#1]`, ...kept].join("\n");
      } else if (message !== newest && near(message.text)) {
        removed++;
        this.messages.splice(this.messages.indexOf(message), 1);
      }
    }
    if (removed === 0)
      return "Error: AGEMEM_EDIT_EMPTY: Nothing in the context is close enough to the criteria.";
    return `Removed ${removed} parts (900 -> 400 tokens). Edit e124.`;
  }
}

function role(message: BaseMessage): string {
  return message.type === "human" ? "user" : message.type === "ai" ? "assistant" : "tool";
}

function escapeXml(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
}
