/**
 * A chat model that plays a script and records its calls, without a network or a real model.
 *
 * Owns the script and the record. Leaves out models that decide for themselves (`offline/`).
 */
import type { CallbackManagerForLLMRun } from "@langchain/core/callbacks/manager";
import type { BaseLanguageModelInput } from "@langchain/core/language_models/base";
import {
  BaseChatModel,
  type BaseChatModelCallOptions,
  type BindToolsInput,
} from "@langchain/core/language_models/chat_models";
import { AIMessage, AIMessageChunk, type BaseMessage } from "@langchain/core/messages";
import { ChatGenerationChunk, type ChatResult } from "@langchain/core/outputs";
import type { Runnable } from "@langchain/core/runnables";
import { convertToOpenAITool } from "@langchain/core/utils/function_calling";
import { spacedWords } from "../text/text.js";
import type { ToolSchema } from "../types.js";

/** A tool call of a script. `id` defaults to "call_N", where N counts the calls without one. */
export interface ScriptedToolCall {
  name: string;
  args?: Record<string, unknown>;
  id?: string;
}

/** What the model says: text, a message, or tool calls with optional text. */
export type ScriptedReply = string | AIMessage | { content?: string; tool_calls: ScriptedToolCall[] };

/** Computes a reply from the messages and tools of a call. */
export type ScriptedResponder = (
  messages: readonly BaseMessage[],
  tools: readonly ToolSchema[],
) => ScriptedReply | Promise<ScriptedReply>;

/** A step: a reply, an error to throw, or a function of the call. */
export type ScriptedStep = ScriptedReply | Error | ScriptedResponder;

/** A recorded call; its messages are copies, unaffected by later edits. */
export interface ScriptedCall {
  readonly messages: readonly BaseMessage[];
  readonly tools: readonly ToolSchema[];
}

/** The test and its script disagree: there was a call too many, or steps are left over. */
export class ScriptError extends Error {
  override readonly name = "ScriptError";
}

interface ScriptedCallOptions extends BaseChatModelCallOptions {
  tools?: BindToolsInput[];
}

/**
 * Plays one step per model call; a call beyond the last step throws {@link ScriptError}. `bindTools` and streaming work
 * as with other chat models, and bound copies share script and record.
 *
 * @example
 * const model = new ScriptedChatModel([{ tool_calls: [{ name: "search", args: { q: "Oslo" } }] }, "Done."]);
 * await model.invoke("Look up Oslo");
 * await model.invoke("And now?");
 * model.assertDone();
 * model.calls[0]?.messages[0]?.text; // "Look up Oslo"
 */
export class ScriptedChatModel extends BaseChatModel<ScriptedCallOptions> {
  private readonly steps: readonly ScriptedStep[];
  private readonly record: ScriptedCall[] = [];
  private callIds = 0;

  /** @param model the model's name for callbacks and `usage`; default "scripted" */
  constructor(
    steps: readonly ScriptedStep[],
    readonly model = "scripted",
  ) {
    super({});
    this.steps = [...steps];
  }

  /** All calls so far, in order. */
  get calls(): readonly ScriptedCall[] {
    return this.record;
  }

  /** Throws {@link ScriptError} if some steps have not been played. */
  assertDone(): void {
    const left = this.steps.length - this.record.length;
    if (left > 0) throw new ScriptError(`${left} of ${this.steps.length} scripted steps were not played`);
  }

  override _llmType(): string {
    return "scripted";
  }

  /** The profile of a model with a small window, so that tests need not set a budget. */
  override get profile(): { maxInputTokens: number; maxOutputTokens: number } {
    return { maxInputTokens: 8192, maxOutputTokens: 2048 };
  }

  /** The parameters of a call as callbacks see them, in ChatOpenAI's form. */
  override invocationParams(options?: this["ParsedCallOptions"]): Record<string, unknown> {
    return { model: this.model, tools: (options?.tools ?? []).map((each) => convertToOpenAITool(each)) };
  }

  override bindTools(
    tools: BindToolsInput[],
    kwargs?: Partial<ScriptedCallOptions>,
  ): Runnable<BaseLanguageModelInput, AIMessageChunk, ScriptedCallOptions> {
    return this.withConfig({ ...kwargs, tools });
  }

  override async _generate(
    messages: BaseMessage[],
    options: this["ParsedCallOptions"],
    runManager?: CallbackManagerForLLMRun,
  ): Promise<ChatResult> {
    const message = await this.play(messages, options);
    await runManager?.handleLLMNewToken(message.text);
    return { generations: [{ text: message.text, message }] };
  }

  override async *_streamResponseChunks(
    messages: BaseMessage[],
    options: this["ParsedCallOptions"],
    runManager?: CallbackManagerForLLMRun,
  ): AsyncGenerator<ChatGenerationChunk> {
    const whole = await this.play(messages, options);
    for (const chunk of toChunks(whole)) {
      yield chunk;
      await runManager?.handleLLMNewToken(chunk.text, undefined, undefined, undefined, undefined, { chunk });
    }
  }

  private async play(messages: BaseMessage[], options: this["ParsedCallOptions"]): Promise<AIMessage> {
    const asked = messages.map((message) => copyMessage(message));
    const tools = (options.tools ?? []).map(toSchema);
    const step = this.steps[this.record.length];
    this.record.push(Object.freeze({ messages: Object.freeze(asked), tools: deepFreeze(tools) }));
    if (step === undefined) {
      const last = asked.at(-1);
      throw new ScriptError(
        `Unexpected model call ${this.record.length}: the script has ${this.steps.length} steps. ` +
          `The call ended with ${last?.type ?? "no"} message ${JSON.stringify(last?.text ?? "").slice(0, 200)}`,
      );
    }
    if (step instanceof Error) throw step;
    return this.toMessage(typeof step === "function" ? await step(asked, tools) : step);
  }

  private toMessage(reply: ScriptedReply): AIMessage {
    if (typeof reply === "string") return new AIMessage(reply);
    if (AIMessage.isInstance(reply)) return copyMessage(reply, false);
    return new AIMessage({
      content: reply.content ?? "",
      tool_calls: reply.tool_calls.map(({ name, args = {}, id }) => ({
        type: "tool_call",
        name,
        args: structuredClone(args),
        id: id ?? `call_${++this.callIds}`,
      })),
    });
  }
}

/** Splits a message into chunks: its words, then each tool call, then fields of the whole message. */
function toChunks(message: AIMessage): ChatGenerationChunk[] {
  const { id, name, additional_kwargs, response_metadata, usage_metadata } = message;
  const parts = typeof message.content === "string" ? spacedWords(message.content) : [];
  const chunks = parts.map((content) => new AIMessageChunk({ content, id }));
  if (typeof message.content !== "string") chunks.push(new AIMessageChunk({ content: message.content, id }));
  (message.tool_calls ?? []).forEach((call, index) => {
    const chunk = { type: "tool_call_chunk" as const, name: call.name, id: call.id, index };
    chunks.push(
      new AIMessageChunk({
        content: "",
        id,
        tool_call_chunks: [{ ...chunk, args: JSON.stringify(call.args) }],
      }),
    );
  });
  chunks.push(
    new AIMessageChunk({ content: "", id, name, additional_kwargs, response_metadata, usage_metadata }),
  );
  return chunks.map((chunk) => new ChatGenerationChunk({ text: chunk.text, message: chunk }));
}

function toSchema(tool: BindToolsInput): ToolSchema {
  const { name, description = "", parameters = {} } = convertToOpenAITool(tool).function;
  return structuredClone({ name, description, parameters: parameters as Record<string, unknown> });
}

/** Copies a message, because LangChain writes ids and metadata into the messages a model returns. */
function copyMessage<M extends BaseMessage>(message: M, freeze = true): M {
  const copy = Object.assign(Object.create(Object.getPrototypeOf(message)), message) as M;
  copy.additional_kwargs = { ...message.additional_kwargs };
  copy.response_metadata = { ...message.response_metadata };
  if (Array.isArray(message.content)) copy.content = structuredClone(message.content);
  return freeze ? Object.freeze(copy) : copy;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
