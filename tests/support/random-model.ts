/** A chat model that says anything a real one might, good and bad, from a seed; it tells of each request it gets. */
import { BaseChatModel, type BindToolsInput } from "@langchain/core/language_models/chat_models";
import { AIMessage, AIMessageChunk, type BaseMessage } from "@langchain/core/messages";
import type { ChatResult } from "@langchain/core/outputs";
import type { Random } from "../../src/lib/random.js";

export const TOPICS = ["harbour", "parcel", "chess", "garden", "train", "kitchen", "violin", "tax"] as const;

/** One or more sentences on random topics. */
export function talk(random: Random, sentences: number): string {
  const sentence = () => {
    const [a, b] = random.shuffle(TOPICS);
    return `The ${a} near the ${b} costs ${random.integer(900)} euros on day ${random.integer(30)}.`;
  };
  return Array.from({ length: sentences }, sentence).join(" ");
}

interface Call {
  name: string;
  args: unknown;
  id: string | undefined;
}

export interface RandomModelOptions {
  random: Random;
  /** Content as text with calls beside it, or as Anthropic's blocks. */
  style: "plain" | "blocks";
  /** Call ids begin anew in each response, as some servers have it. */
  sameIds: boolean;
  onRequest: (messages: readonly BaseMessage[]) => void;
}

type Options = BaseChatModel["ParsedCallOptions"] & { tools?: BindToolsInput[] };

export class RandomModel extends BaseChatModel<Options> {
  private count = 0;
  constructor(private readonly own: RandomModelOptions) {
    super({});
  }
  override _llmType(): string {
    return "random";
  }
  override bindTools(tools: BindToolsInput[], kwargs?: Partial<Options>) {
    return this.withConfig({ ...kwargs, tools });
  }
  override async _generate(messages: BaseMessage[], options: Options): Promise<ChatResult> {
    this.own.onRequest(messages);
    const message = this.reply(
      messages,
      (options.tools ?? []).map((tool) => (tool as { name: string }).name),
    );
    return { generations: [{ text: message.text, message }] };
  }

  private reply(messages: readonly BaseMessage[], tools: readonly string[]): AIMessage {
    const { random } = this.own;
    const draw = random.next();
    const id = `a${++this.count}-${random.integer(1e9)}`;
    if (draw < 0.02) throw new Error("the model is down");
    if (draw < 0.06) return new AIMessage({ id, content: random.pick(["", " \n"]) });
    if (draw < 0.35 || tools.length === 0)
      return new AIMessage({ id, content: talk(random, 1 + random.integer(4)) });
    const calls = Array.from({ length: 1 + random.integer(random.pick([1, 2, 4])) }, (_, i) =>
      this.call(messages, tools, i),
    );
    if (draw < 0.43) return this.withInvalid(id, calls);
    if (draw < 0.53) return this.streamed(id, calls, true);
    if (draw < 0.6) return this.streamed(id, calls, false);
    return this.whole(id, calls);
  }

  private call(messages: readonly BaseMessage[], tools: readonly string[], index: number): Call {
    const { random } = this.own;
    const name = random.next() < 0.04 ? "No_such_tool" : random.pick(tools);
    const draw = random.next();
    const own = this.own.sameIds ? `call_${index}` : `call_${this.count}_${index}`;
    const id = draw < 0.03 ? undefined : draw < 0.06 ? "call_twice" : own;
    return { name, args: random.next() < 0.06 ? { odd: 1 } : this.args(name, messages), id };
  }

  private args(name: string, messages: readonly BaseMessage[]): unknown {
    const { random } = this.own;
    const known = messages.flatMap((message) => message.text.match(/\bm[0-9a-z]{8}\b/g) ?? []);
    const memory_id = known.length > 0 && random.next() < 0.8 ? random.pick(known) : "m0";
    switch (name) {
      case "Add_memory":
        return { content: talk(random, 1), force: random.next() < 0.3 };
      case "Update_memory":
        return { memory_id, content: talk(random, 1) };
      case "Delete_memory":
        return { memory_id, confirmation: random.next() < 0.8 };
      case "Retrieve_memory":
        return { query: random.pick(TOPICS), top_k: 1 + random.integer(5) };
      case "Summary_context":
        return { span: random.pick(["all", "1", "2"]) };
      case "Filter_context":
        return { criteria: `${random.pick(TOPICS)} ${random.pick(TOPICS)}` };
      default:
        return { topic: random.pick(TOPICS) };
    }
  }

  private said(): string {
    return this.own.random.pick(["", "", "Let me see.", " "]);
  }

  private whole(id: string, calls: readonly Call[]): AIMessage {
    return new AIMessage({
      id,
      content: this.content(calls) as string,
      tool_calls: calls.map((call) => ({
        ...call,
        type: "tool_call",
        args: call.args as Record<string, unknown>,
      })),
      response_metadata: { finish_reason: "tool_calls" },
    });
  }

  /** As OpenAI's class has it: some calls parsed, others not, the raw form beside them. */
  private withInvalid(id: string, calls: readonly Call[]): AIMessage {
    const [bad, ...good] = calls as [Call, ...Call[]];
    const args = JSON.stringify(bad.args).slice(0, -1 - this.own.random.integer(4));
    const message = this.whole(id, good);
    message.invalid_tool_calls = [
      { type: "invalid_tool_call", name: bad.name, args, ...(bad.id ? { id: bad.id } : {}) },
    ];
    message.additional_kwargs = {
      tool_calls: calls.map((call, i) => ({
        id: call.id as string,
        type: "function",
        function: { name: call.name, arguments: i === 0 ? args : JSON.stringify(call.args) },
      })),
    };
    return message;
  }

  /** As a stream leaves it; cut off within the last call, or at a place where nothing shows but the stop reason. */
  private streamed(id: string, calls: readonly Call[], cut: boolean): AIMessage {
    const { random } = this.own;
    const seen = cut && random.next() < 0.7;
    const stop = random.pick([
      { finish_reason: "length" },
      { stop_reason: "max_tokens" },
      { done_reason: "length" },
    ]);
    const texts = calls.map((call, i) => {
      const text = JSON.stringify(call.args);
      return seen && i === calls.length - 1 ? text.slice(0, random.integer(text.length)) : text;
    });
    return new AIMessageChunk({
      id,
      content: this.content(calls, texts) as string,
      response_metadata: cut && !(seen && random.next() < 0.5) ? stop : {},
      tool_call_chunks: calls.map((call, index) => ({
        type: "tool_call_chunk",
        index,
        name: call.name,
        args: texts[index] as string,
        ...(call.id ? { id: call.id } : {}),
      })),
    });
  }

  private content(calls: readonly Call[], texts?: readonly string[]): unknown {
    const text = this.said();
    if (this.own.style === "plain") return text;
    const thought = { type: "thinking", thinking: "Hm.", signature: "s" };
    return [
      ...(this.own.random.next() < 0.4 ? [thought] : []),
      ...(text === "" && this.own.random.next() < 0.5 ? [] : [{ type: "text", text }]),
      ...calls.flatMap(({ name, args, id }, i) =>
        id === undefined ? [] : [{ type: "tool_use", id, name, input: texts?.[i] ?? args }],
      ),
    ];
  }
}
