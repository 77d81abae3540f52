/**
 * A chat model made of rules: it stands in for a language model when there is no key.
 *
 * Owns the chat-model surface (tool binding, text protocol, streaming, seed, temperature). Leaves out: the rules
 * themselves (`rules/`). It sees what a language model sees, the messages and the bound tools, and says in its name
 * and in its output that it is no language model.
 */
import type { CallbackManagerForLLMRun } from "@langchain/core/callbacks/manager";
import type { BaseLanguageModelInput } from "@langchain/core/language_models/base";
import {
  BaseChatModel,
  type BaseChatModelCallOptions,
  type BaseChatModelParams,
  type BindToolsInput,
} from "@langchain/core/language_models/chat_models";
import { AIMessage, AIMessageChunk, type BaseMessage, isAIMessage } from "@langchain/core/messages";
import { ChatGenerationChunk, type ChatResult } from "@langchain/core/outputs";
import type { Runnable } from "@langchain/core/runnables";
import { convertToOpenAITool } from "@langchain/core/utils/function_calling";
import { sha256, shortHash } from "../lib/hash.js";
import { createRandom } from "../lib/random.js";
import { SUMMARIZER_PROMPT } from "../prompts.js";
import { spacedWords } from "../text/text.js";
import { summaryOfRequest } from "./extract-summary.js";
import { readConversation } from "./reading/view.js";
import { type Action, OFFLINE_MARK } from "./rules/action.js";
import { habitsOf } from "./rules/habits.js";
import { decide } from "./rules/policy-rules.js";
import { formatAction, toolNamesInPrompt } from "./rules/text-protocol.js";
import { estimateUsage } from "./usage.js";

/** Model name reported in `response_metadata` and to tracers. */
export const OFFLINE_POLICY_NAME = "offline-rules (not a language model)";

const RESPONSE_METADATA = {
  model_name: OFFLINE_POLICY_NAME,
  model_provider: "agemem-offline",
  finish_reason: "stop",
};

/** Settings of {@link OfflinePolicy}. */
export interface OfflinePolicyOptions extends BaseChatModelParams {
  /** Equal seed and equal messages give equal output. Default 0. */
  seed?: number | string;
  /** 0 (default): always the best rule. Above 0: samples among the applicable actions. */
  temperature?: number;
}

/** Call options, as `bindTools` and `withConfig` set them. */
export interface OfflinePolicyCallOptions extends BaseChatModelCallOptions {
  tools?: BindToolsInput[];
  seed?: number | string;
  temperature?: number;
}

/**
 * Deterministic rule policy. The draw of each call comes from the seed and a hash of the messages, so that
 * concurrency and retries change nothing.
 *
 * @throws RangeError when the temperature is negative or not a number
 * @example
 * const model = new OfflinePolicy({ seed: 7, temperature: 1 }).bindTools(tools);
 * const response = await model.invoke([new HumanMessage("I'm allergic to peanuts.")]);
 * response.tool_calls; // [{ name: "Add_memory", args: { content: "User is allergic to peanuts.", … } }]
 */
export class OfflinePolicy extends BaseChatModel<OfflinePolicyCallOptions, AIMessageChunk> {
  readonly seed: number | string;
  readonly temperature: number;

  constructor(options: OfflinePolicyOptions = {}) {
    super(options);
    this.seed = options.seed ?? 0;
    this.temperature = checkTemperature(options.temperature ?? 0);
  }

  static override lc_name(): string {
    return "OfflinePolicy";
  }

  /** Name shown to tracers. */
  get model(): string {
    return OFFLINE_POLICY_NAME;
  }

  override _llmType(): string {
    return "agemem-offline-rules";
  }

  /** The window of the paper's agent; the rules themselves have no limit. */
  override get profile() {
    return { maxInputTokens: 8192, maxOutputTokens: 2048 };
  }

  override bindTools(
    tools: BindToolsInput[],
    kwargs?: Partial<OfflinePolicyCallOptions>,
  ): Runnable<BaseLanguageModelInput, AIMessageChunk, OfflinePolicyCallOptions> {
    return this.withConfig({ ...kwargs, tools });
  }

  override async _generate(
    messages: BaseMessage[],
    options: this["ParsedCallOptions"],
    runManager?: CallbackManagerForLLMRun,
  ): Promise<ChatResult> {
    options.signal?.throwIfAborted();
    const message = this.respond(messages, options);
    await runManager?.handleLLMNewToken(message.text);
    return {
      generations: [{ text: message.text, message }],
      llmOutput: { model_name: OFFLINE_POLICY_NAME, tokenUsage: message.usage_metadata },
    };
  }

  override async *_streamResponseChunks(
    messages: BaseMessage[],
    options: this["ParsedCallOptions"],
    runManager?: CallbackManagerForLLMRun,
  ): AsyncGenerator<ChatGenerationChunk> {
    const message = this.respond(messages, options);
    for (const text of spacedWords(message.text)) {
      options.signal?.throwIfAborted();
      const chunk = new ChatGenerationChunk({ text, message: new AIMessageChunk({ content: text }) });
      yield chunk;
      await runManager?.handleLLMNewToken(text, undefined, undefined, undefined, undefined, { chunk });
    }
    yield new ChatGenerationChunk({
      text: "",
      message: new AIMessageChunk({
        content: "",
        tool_call_chunks: (message.tool_calls ?? []).map((call, index) => ({
          type: "tool_call_chunk",
          name: call.name,
          args: JSON.stringify(call.args),
          id: call.id ?? "",
          index,
        })),
        additional_kwargs: message.additional_kwargs,
        response_metadata: message.response_metadata,
        ...(message.usage_metadata ? { usage_metadata: message.usage_metadata } : {}),
      }),
    });
  }

  /** The whole response to a conversation. */
  private respond(messages: readonly BaseMessage[], options: this["ParsedCallOptions"]): AIMessage {
    if (isSummaryRequest(messages)) return summaryMessage(messages);
    const view = readConversation(messages);
    const bound = (options.tools ?? []).map(toolName);
    const asText = bound.length === 0 && view.textProtocol;
    const forbidden = options.tool_choice === "none";
    const tools = new Set(forbidden ? [] : asText ? toolNamesInPrompt(view.system) : bound);
    const digest = sha256(JSON.stringify([messages.map(essence), [...tools].sort()]));
    const random = createRandom(`${options.seed ?? this.seed}/${digest}`);
    const temperature = checkTemperature(options.temperature ?? this.temperature);
    const habits = habitsOf(options.seed ?? this.seed, temperature);
    const action = decide({ view, tools, habits }, temperature, random);
    return toMessage(action, asText, `${options.seed ?? this.seed}/${digest}`, messages);
  }
}

/** Whether the agent asks for a summary: a separate call, recognized by its system prompt. */
function isSummaryRequest([first]: readonly BaseMessage[]): boolean {
  return first?.type === "system" && first.text === SUMMARIZER_PROMPT;
}

function summaryMessage(messages: readonly BaseMessage[]): AIMessage {
  const content = summaryOfRequest(messages);
  return new AIMessage({
    content,
    response_metadata: RESPONSE_METADATA,
    usage_metadata: estimateUsage(messages, content),
  });
}

function toMessage(
  action: Action,
  asText: boolean,
  key: string,
  messages: readonly BaseMessage[],
): AIMessage {
  const thought = `${OFFLINE_MARK} ${action.thought}`;
  const content = asText ? formatAction(action, thought) : (action.answer ?? thought);
  const calls = asText ? [] : (action.calls ?? []);
  return new AIMessage({
    content,
    tool_calls: calls.map((call, index) => ({
      type: "tool_call" as const,
      id: `call_${shortHash(`${key}/${index}`, 16)}`,
      name: call.name,
      args: call.args,
    })),
    additional_kwargs: action.calls || asText ? {} : { reasoning_content: thought },
    response_metadata: {
      ...RESPONSE_METADATA,
      finish_reason: calls.length > 0 ? "tool_calls" : "stop",
    },
    usage_metadata: estimateUsage(messages, content, calls),
  });
}

function toolName(tool: BindToolsInput): string {
  const named = tool as { name?: unknown };
  if (typeof named.name === "string") return named.name;
  return convertToOpenAITool(tool as Record<string, unknown>).function.name;
}

/** The parts of a message that decide the draw: role, text and calls. Ids may be random and are left out. */
function essence(message: BaseMessage): unknown {
  const calls = isAIMessage(message) ? (message.tool_calls ?? []).map((call) => [call.name, call.args]) : [];
  return [message.type, message.text ?? "", calls];
}

function checkTemperature(value: number): number {
  if (!(value >= 0)) throw new RangeError(`temperature must be 0 or more, not ${value}`);
  return value;
}
