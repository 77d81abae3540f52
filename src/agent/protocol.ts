/**
 * How the acting model is asked and how its response is read: one interface, two implementations.
 *
 * Owns the contract. `protocols/native.ts` uses the provider's tool calling, `protocols/text.ts` the paper's tags.
 */
import type { BaseLanguageModelInput } from "@langchain/core/language_models/base";
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import type { AIMessage, BaseMessage } from "@langchain/core/messages";
import type { Runnable, RunnableConfig } from "@langchain/core/runnables";
import type { StructuredToolInterface } from "@langchain/core/tools";
import type { ToolTextForm } from "../models/tool-text/forms.js";
import type { ToolSchema } from "../types.js";

/** Whether calls that a model writes into its text are recognized, and in which form. */
export type WrittenCalls = "auto" | "off" | ToolTextForm;

/** A response that was read: tool calls, or an answer; `formatError` when it broke the protocol. */
export interface ModelTurn {
  /** For the context: `tool_calls` filled in, `content` as the model wrote it. */
  message: AIMessage;
  /** The final answer's text, or null when tools are called or nothing could be read. */
  answer: string | null;
  formatError?: string;
}

/** One way to talk to a model about tools. */
export interface AgentProtocol {
  readonly name: "native" | "text";
  /** Added to the system prompt; undefined when the provider carries the tools. */
  readonly systemSuffix: string | undefined;
  /** Whether there is anything to call. */
  readonly hasTools: boolean;
  /** Tool schemas sent beside the messages, for token counts; empty when they are in the system prompt. */
  readonly sentTools: readonly ToolSchema[];
  /** Calls the model once with the context in this protocol's form. */
  call(messages: BaseMessage[], config: RunnableConfig, options: { lastStep: boolean }): Promise<AIMessage>;
  /** Reads a response; never throws, never returns a call that was not well-formed. */
  read(response: AIMessage): ModelTurn;
}

/** A chat model, with tools bound to it or not. */
export type ActingModel = Runnable<BaseLanguageModelInput, BaseMessage>;

/** One call of a model: `invoke`, or what a driver of its own does in its place (`rollout/driver/model-call.ts`). */
export type Ask = (model: ActingModel, messages: BaseMessage[], config: RunnableConfig) => Promise<AIMessage>;

export interface ProtocolOptions {
  model: BaseChatModel;
  ask: Ask;
  tools: readonly StructuredToolInterface[];
  schemas: readonly ToolSchema[];
  /** As `AgeMemAgentOptions.writtenCalls`. */
  writtenCalls?: WrittenCalls | undefined;
}
