/**
 * A chat model that says what a test tells it to, in order, and records what it was asked. No network, no model.
 *
 * Owns the script and the record; leaves out anything that decides by itself (`offline/`).
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

/** A tool call of a script; `id` defaults to "call_N", counted over the script. */
export interface ScriptedToolCall {
  name: string;
  args?: Record<string, unknown>;
  id?: string;
}

/** What the model says: text, a message, or tool calls with optional text. */
export type ScriptedReply = string | AIMessage | { content?: string; tool_calls: ScriptedToolCall[] };

/** Answers from what was asked. */
export type ScriptedResponder = (
  messages: readonly BaseMessage[],
  tools: readonly ToolSchema[],
) => ScriptedReply | Promise<ScriptedReply>;

/** One step: a reply, an error to throw, or a function of what was asked. */
export type ScriptedStep = ScriptedReply | Error | ScriptedResponder;

/** One recorded call; its messages are copies, so later edits do not show. */
export interface ScriptedCall {
  readonly messages: readonly BaseMessage[];
  readonly tools: readonly ToolSchema[];
}

/** The test and its script disagree: a call too many, or steps left over. */
export class ScriptError extends Error {
  override readonly name = "ScriptError";
}

interface ScriptedCallOptions extends BaseChatModelCallOptions {
  tools?: BindToolsInput[];
}

/**
 * Plays its steps one per model call; a call beyond the last step throws {@link ScriptError}. `bindTools` and streaming
 * work as with other chat models, and bound copies share script and record.
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

  /** @param model name under which callbacks and `usage` know the model; default "scripted" */
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

  /** Throws {@link ScriptError} when steps are left that no call has played. */
  assertDone(): void {
    const left = this.steps.length - this.record.length;
    if (left > 0) throw new ScriptError(`${left} of ${this.steps.length} scripted steps were not played`);
  }

  override _llmType(): string {
    return "scripted";
  }

  /** A small model's, so that a test need not say how much is too much. */
  override get profile(): { maxInputTokens: number; maxOutputTokens: number } {
    return { maxInputTokens: 8192, maxOutputTokens: 2048 };
  }

  /** What callbacks see of a call, in the form ChatOpenAI uses. */
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

/** Words one by one, then each tool call, then what belongs to the whole message. */
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

/** Own copy of a message: core writes ids and metadata into what a model returns. */
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
