/**
 * A LangChain chat model on a GGUF file, in this process: `gguf:FILE`.
 *
 * Owns options, binding of tools, structured output, streaming and what callbacks are told. Leaves out tokens (`engine.ts`),
 * prompts (`template.ts`, `prompt.ts`) and reading responses (`response.ts`). Needs `node-llama-cpp`, an optional package.
 */
import { basename } from "node:path";
import type { CallbackManagerForLLMRun } from "@langchain/core/callbacks/manager";
import type {
  BaseLanguageModelInput,
  StructuredOutputMethodOptions,
} from "@langchain/core/language_models/base";
import {
  BaseChatModel,
  type BaseChatModelCallOptions,
  type BaseChatModelParams,
  type BindToolsInput,
  type LangSmithParams,
} from "@langchain/core/language_models/chat_models";
import {
  assembleStructuredOutputPipeline,
  createContentParser,
} from "@langchain/core/language_models/structured_output";
import { AIMessageChunk, type BaseMessage } from "@langchain/core/messages";
import { ChatGenerationChunk, type ChatResult } from "@langchain/core/outputs";
import type { Runnable } from "@langchain/core/runnables";
import { convertToOpenAITool } from "@langchain/core/utils/function_calling";
import { toJsonSchema } from "@langchain/core/utils/json_schema";
import type { TokenCounter } from "../../types.js";
import { checkRange } from "../settings.js";
import { Conversation, type Turn } from "./conversation.js";
import { type EngineSettings, type GgufEngine, sharedEngine } from "./engine.js";
import { toMessage } from "./response.js";
import { checkFile, checkSettings, RESPONSE_TOKENS } from "./spec.js";
import type { OpenAITool } from "./template-messages.js";

/** Options of {@link GgufChatModel}. */
export interface GgufChatModelFields extends BaseChatModelParams, EngineSettings {
  /** 0 (always the likeliest token) to 2. Default 1. */
  temperature?: number;
  /** 0 to 1; default 1, the whole distribution. */
  topP?: number;
  /** The so many likeliest tokens; default 0, all of them. */
  topK?: number;
  /** Least probability relative to the likeliest token's; default 0. */
  minP?: number;
  /** Most tokens of one response; default 2,048, and never more than the context has room for. */
  maxTokens?: number;
  /** Seed of sampling. Default: another one at each call. */
  seed?: number;
  stop?: string[];
  /** A name of `CHAT_TEMPLATES` or a Jinja template's text. Default: the file's own. */
  chatTemplate?: string;
  /** Responses can only be plain text or calls that fit the tools' schemas. Default false. */
  constrainTools?: boolean;
  /** Keeps token ids and log-probabilities in `additional_kwargs.__raw_response`, as for a served model. Default false. */
  recordTokens?: boolean;
  /** Default: one per process for the file and its settings. */
  engine?: GgufEngine;
}

/** Options of a call. */
export interface GgufCallOptions extends BaseChatModelCallOptions {
  tools?: BindToolsInput[];
  seed?: number;
  temperature?: number;
  maxTokens?: number;
  constrainTools?: boolean;
  /** A JSON schema that the response must fit. */
  responseSchema?: Record<string, unknown>;
}

/**
 * A chat model in the process. The file is loaded at the first call, once for all models of the same settings; calls beyond
 * `sequences` wait. What prompts begin with alike is read once and copied between sequences; only recurrent models read it each time.
 *
 * With `temperature` 1 (the default) or 0, `topP` 1, `topK` 0, `minP` 0 and no grammar, recorded log-probabilities come with the
 * response; otherwise recording reads each response a second time to score it under the whole distribution.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for a file that is none, or a value out of range; at the first call
 * `AGEMEM_PACKAGE_MISSING`, ModelError `AGEMEM_MODEL_FAILED`, `AGEMEM_MODEL_CONTEXT` for a prompt that is too long
 * @example
 * const model = new GgufChatModel({ file: "/models/smollm2.gguf", temperature: 0, maxTokens: 64 });
 * (await model.invoke("What is the capital of Norway?")).text;
 */
export class GgufChatModel extends BaseChatModel<GgufCallOptions, AIMessageChunk> {
  /** The file's name without its ending. */
  readonly model: string;
  readonly engine: GgufEngine;
  readonly #conversation: Conversation;

  constructor(private readonly fields: GgufChatModelFields) {
    super(fields);
    checkSettings(fields);
    checkRange("temperature", fields.temperature, 0, 2);
    checkRange("topP", fields.topP, 0, 1);
    checkRange("topK", fields.topK, 0, 10_000_000);
    checkRange("minP", fields.minP, 0, 1);
    checkRange("maxTokens", fields.maxTokens, 1, 10_000_000);
    if (!fields.engine) checkFile(fields.file);
    this.model = basename(fields.file).replace(/\.gguf$/i, "");
    this.engine = fields.engine ?? sharedEngine(fields);
    this.#conversation = new Conversation(this.engine, fields.chatTemplate);
    // Assigned, so that the types of all of LangChain's overloads stay.
    this.withStructuredOutput = ((
      schema: Record<string, unknown>,
      config?: StructuredOutputMethodOptions<boolean>,
    ) => this.#structured(schema, config)) as BaseChatModel["withStructuredOutput"];
  }

  static override lc_name(): string {
    return "GgufChatModel";
  }

  override _llmType(): string {
    return "gguf";
  }

  /** A model with other options on the same loaded file. */
  with(fields: Partial<Omit<GgufChatModelFields, "file" | "engine">>): GgufChatModel {
    return new GgufChatModel({ ...this.fields, ...fields, engine: this.engine });
  }

  /** Loads package and file now, so that what is missing is said before the first call. */
  async load(): Promise<this> {
    await this.engine.open();
    return this;
  }

  /**
   * Counts tokens as this model's vocabulary and chat template do; loads the file. For the `counter` of an agent.
   *
   * @example
   * createAgeMemAgent({ model, store, counter: await model.tokenCounter() });
   */
  async tokenCounter(): Promise<TokenCounter> {
    return this.#conversation.counter(`gguf:${this.model}`);
  }

  /** Parameters as recordings have them. */
  override invocationParams(options?: this["ParsedCallOptions"]): Record<string, unknown> {
    const { topP = 1, topK = 0, minP = 0, chatTemplate } = this.fields;
    const tools = toolsOf(options);
    const choice = options?.tool_choice;
    return {
      model: this.model,
      temperature: this.#temperature(options),
      top_p: topP,
      top_k: topK,
      min_p: minP,
      max_tokens: options?.maxTokens ?? this.fields.maxTokens ?? RESPONSE_TOKENS,
      seed: options?.seed ?? this.fields.seed,
      stop: this.#stop(options),
      ...(tools.length > 0 && { tools }),
      ...(choice !== undefined && { tool_choice: choice }),
      ...(chatTemplate !== undefined && { chat_template: chatTemplate }),
    };
  }

  override getLsParams(options: this["ParsedCallOptions"]): LangSmithParams {
    return {
      ls_provider: "gguf",
      ls_model_name: this.model,
      ls_model_type: "chat",
      ls_temperature: this.#temperature(options),
    };
  }

  override bindTools(
    tools: BindToolsInput[],
    kwargs?: Partial<GgufCallOptions>,
  ): Runnable<BaseLanguageModelInput, AIMessageChunk, GgufCallOptions> {
    return this.withConfig({ ...kwargs, tools: tools.map((tool) => convertToOpenAITool(tool)) });
  }

  /** Answers that fit a schema: a grammar leaves the model no other. The method "functionCalling" uses a tool instead. */
  #structured(schema: Record<string, unknown>, config?: StructuredOutputMethodOptions<boolean>) {
    if (config?.method === "functionCalling") {
      return BaseChatModel.prototype.withStructuredOutput.call(this, schema, config as never);
    }
    const llm = this.withConfig({ responseSchema: toJsonSchema(schema) as Record<string, unknown> });
    const parser = createContentParser(schema);
    return assembleStructuredOutputPipeline(llm, parser, config?.includeRaw, config?.name);
  }

  override async _generate(
    messages: BaseMessage[],
    options: this["ParsedCallOptions"],
    runManager?: CallbackManagerForLLMRun,
  ): Promise<ChatResult> {
    const turn = await this.#turn(messages, options, async (text) => {
      await runManager?.handleLLMNewToken(text);
    });
    const message = toMessage({ ...turn.facts, model: this.model }, turn.reading);
    const { input_tokens = 0, output_tokens = 0, total_tokens = 0 } = message.usage_metadata ?? {};
    return {
      generations: [
        {
          text: message.text,
          message,
          generationInfo: { finish_reason: message.response_metadata.finish_reason },
        },
      ],
      llmOutput: {
        tokenUsage: {
          promptTokens: input_tokens,
          completionTokens: output_tokens,
          totalTokens: total_tokens,
        },
      },
    };
  }

  override async *_streamResponseChunks(
    messages: BaseMessage[],
    options: this["ParsedCallOptions"],
    runManager?: CallbackManagerForLLMRun,
  ): AsyncGenerator<ChatGenerationChunk> {
    const queue = new TextQueue();
    const stop = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
    const running = this.#turn(messages, { ...options, signal }, async (text) => queue.push(text)).finally(
      () => queue.end(),
    );
    // Also where the reader leaves early, when nobody awaits it.
    running.catch(() => undefined);
    try {
      let sent = "";
      for await (const text of queue) {
        sent += text;
        yield await this.#chunk(new AIMessageChunk({ content: text }), runManager);
      }
      const turn = await running;
      const message = toMessage({ ...turn.facts, model: this.model }, turn.reading);
      const rest = message.text.startsWith(sent) ? message.text.slice(sent.length) : "";
      const {
        tool_calls = [],
        invalid_tool_calls = [],
        additional_kwargs,
        response_metadata,
        usage_metadata,
      } = message;
      const tool_call_chunks = [
        ...tool_calls.map(({ id, name, args }) => ({ id, name, args: JSON.stringify(args) })),
        ...invalid_tool_calls.map(({ id, name, args }) => ({ id, name, args })),
      ].map((call, index) => ({ ...call, index, type: "tool_call_chunk" as const }));
      yield await this.#chunk(
        new AIMessageChunk({
          content: rest,
          ...(message.id ? { id: message.id } : {}),
          tool_call_chunks: tool_call_chunks as never,
          additional_kwargs,
          response_metadata,
          ...(usage_metadata ? { usage_metadata } : {}),
        }),
        runManager,
      );
    } finally {
      stop.abort();
    }
  }

  async #chunk(message: AIMessageChunk, runManager?: CallbackManagerForLLMRun): Promise<ChatGenerationChunk> {
    const { finish_reason } = message.response_metadata;
    const chunk = new ChatGenerationChunk({
      text: message.text,
      message,
      ...(finish_reason ? { generationInfo: { finish_reason } } : {}),
    });
    await runManager?.handleLLMNewToken(chunk.text, undefined, undefined, undefined, undefined, { chunk });
    return chunk;
  }

  #turn(
    messages: BaseMessage[],
    options: this["ParsedCallOptions"],
    onText: (text: string) => Promise<void>,
  ): Promise<Turn> {
    const { topP = 1, topK = 0, minP = 0, recordTokens = false } = this.fields;
    return this.#conversation.take({
      messages,
      tools: toolsOf(options),
      toolChoice: options.tool_choice,
      constrainTools: options.constrainTools ?? this.fields.constrainTools ?? false,
      responseSchema: options.responseSchema,
      stop: this.#stop(options),
      maxTokens: options.maxTokens ?? this.fields.maxTokens ?? RESPONSE_TOKENS,
      sampling: {
        temperature: this.#temperature(options),
        topP,
        topK,
        minP,
        seed: options.seed ?? this.fields.seed,
      },
      recordTokens,
      signal: options.signal,
      onText,
    });
  }

  #temperature(options?: { temperature?: number }): number {
    return options?.temperature ?? this.fields.temperature ?? 1;
  }

  #stop(options?: { stop?: string[] }): string[] {
    return options?.stop ?? this.fields.stop ?? [];
  }
}

const converted = new WeakMap<object, OpenAITool>();

/** Tools in OpenAI's form. They are bound once and sent with every call. */
function toolsOf(options?: { tools?: BindToolsInput[] }): OpenAITool[] {
  return (options?.tools ?? []).map((tool) => {
    const known = converted.get(tool) ?? (convertToOpenAITool(tool) as OpenAITool);
    converted.set(tool, known);
    return known;
  });
}

/** Text from a callback to an iterator. */
class TextQueue {
  readonly #texts: string[] = [];
  #ended = false;
  #wake: (() => void) | undefined;

  push(text: string): void {
    this.#texts.push(text);
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    for (;;) {
      while (this.#texts.length > 0) yield this.#texts.shift() as string;
      if (this.#ended) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
