/**
 * How the acting model is asked and how its response is read: one interface, two implementations.
 *
 * Owns the interface. `protocols/native.ts` uses the provider's tool calling, `protocols/text.ts` the paper's tags.
 */
import type { BaseLanguageModelInput } from "@langchain/core/language_models/base";
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import type { AIMessage, BaseMessage } from "@langchain/core/messages";
import type { Runnable, RunnableConfig } from "@langchain/core/runnables";
import type { StructuredToolInterface } from "@langchain/core/tools";
import type { ToolTextForm } from "../models/tool-text/forms.js";
import type { ToolSchema } from "../types.js";

/** Whether to recognize calls that a model writes into its text, and in which form. */
export type WrittenCalls = "auto" | "off" | ToolTextForm;

/** A response after reading: tool calls, an answer, or a `formatError` if it broke the protocol. */
export interface ModelTurn {
  /** The message for the context, with `tool_calls` filled in. */
  message: AIMessage;
  /** The text of the final answer; null if there are tool calls or a format error. */
  answer: string | null;
  formatError?: string;
}

/** One way to talk to a model about tools. */
export interface AgentProtocol {
  readonly name: "native" | "text";
  /** Appended to the system prompt; undefined if the provider is sent the tools separately. */
  readonly systemSuffix: string | undefined;
  /** Whether there is anything to call. */
  readonly hasTools: boolean;
  /** Tool schemas sent with the messages, for token counts; empty if they are in the system prompt. */
  readonly sentTools: readonly ToolSchema[];
  /** Calls the model once with the context in this protocol's form. */
  call(messages: BaseMessage[], config: RunnableConfig, options: { lastStep: boolean }): Promise<AIMessage>;
  /** Reads a response. Never throws, and never returns a malformed call. */
  read(response: AIMessage): ModelTurn;
}

/** A chat model, with tools bound to it or not. */
export type ActingModel = Runnable<BaseLanguageModelInput, BaseMessage>;

/** Calls a model: `invoke`, or the replacement of the rollout driver (`rollout/driver/model-call.ts`). */
export type Ask = (model: ActingModel, messages: BaseMessage[], config: RunnableConfig) => Promise<AIMessage>;

/** What a protocol is built from. */
export interface ProtocolOptions {
  model: BaseChatModel;
  ask: Ask;
  tools: readonly StructuredToolInterface[];
  schemas: readonly ToolSchema[];
  /** As `AgeMemAgentOptions.writtenCalls`. */
  writtenCalls?: WrittenCalls | undefined;
  /** As `AgeMemAgentOptions.think`. */
  think?: boolean | undefined;
}
