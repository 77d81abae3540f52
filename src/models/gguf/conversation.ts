/**
 * One call of a local model: messages and tools in, tokens and how to read them out.
 *
 * Owns the way from messages to a prompt and when a response ends. Leaves out LangChain's interface (`chat-model.ts`).
 */
import type { BaseMessage } from "@langchain/core/messages";
import { ConfigError } from "../../errors.js";
import type { TokenCounter } from "../../types.js";
import type { GenerateOptions, GgufEngine } from "./engine.js";
import { jsonGrammar, toolGrammar } from "./grammar.js";
import type { LlamaModel } from "./llama-api.js";
import { promptOf } from "./prompt.js";
import { type Reading, type ResponseFacts, stopAt, TextStream, visiblePart } from "./response.js";
import { type ChatTemplate, chatTemplate } from "./template.js";
import type { OpenAITool } from "./template-messages.js";
import { templateCounter } from "./token-count.js";

/** What is asked. */
export interface TurnOptions {
  messages: readonly BaseMessage[];
  tools: readonly OpenAITool[];
  /** "auto" (default), "none", "any" or "required", or a tool's name. */
  toolChoice: unknown;
  constrainTools: boolean;
  responseSchema: Record<string, unknown> | undefined;
  stop: readonly string[];
  maxTokens: number | undefined;
  sampling: GenerateOptions["sampling"];
  recordTokens: boolean;
  signal: AbortSignal | undefined;
  /** Told what is certain to be part of the content, piece by piece. */
  onText: (text: string) => Promise<void>;
}

/** What was answered. */
export interface Turn {
  facts: Omit<ResponseFacts, "model">;
  reading: Reading;
}

interface Ready {
  model: LlamaModel;
  template: ChatTemplate;
}

export class Conversation {
  #ready: Promise<Ready> | undefined;

  constructor(
    private readonly engine: GgufEngine,
    private readonly template: string | undefined,
  ) {}

  /** Generates the answer to the messages. */
  async take(options: TurnOptions): Promise<Turn> {
    const ready = await this.#prepare();
    const { model, template } = ready;
    const { tools, required } = chosen(options.tools, options.toolChoice);
    const { prompt, thinking } = promptOf(ready, options.messages, tools);
    const reading: Reading = {
      names: new Set(tools.map((tool) => tool.function.name)),
      form: template.form,
      stop: [...options.stop, ...template.stop],
      thinking,
    };
    const stream = new TextStream(model);
    let shown = "";
    const generated = await this.engine.generate({
      prompt,
      maxTokens: options.maxTokens,
      sampling: options.sampling,
      grammar: grammarOf(options, tools, required, template),
      logProbs: options.recordTokens,
      signal: options.signal,
      onToken: async (token) => {
        stream.push(token);
        if (stopAt(stream.text, reading.stop)) return true;
        const visible = visiblePart(stream.text, reading);
        if (visible.length > shown.length) await options.onText(visible.slice(shown.length));
        if (visible.length > shown.length) shown = visible;
        return false;
      },
    });
    const { tokens, logProbs, reused, finish } = generated;
    const { recordTokens } = options;
    return { facts: { prompt, tokens, logProbs, reused, finish, text: stream.end(), recordTokens }, reading };
  }

  /** What messages and tools cost with this model. */
  async counter(name: string): Promise<TokenCounter> {
    return templateCounter(await this.#prepare(), name);
  }

  async #prepare(): Promise<Ready> {
    this.#ready ??= this.#open();
    try {
      return await this.#ready;
    } catch (error) {
      this.#ready = undefined;
      throw error;
    }
  }

  async #open(): Promise<Ready> {
    const { model } = await this.engine.open();
    const { general, tokenizer } = model.fileInfo.metadata;
    return { model, template: chatTemplate(this.template, tokenizer?.chat_template, general?.architecture) };
  }
}

/** The tools that may be called, and whether one must be. */
function chosen(
  tools: readonly OpenAITool[],
  choice: unknown,
): { tools: readonly OpenAITool[]; required: boolean } {
  if (choice === "none") return { tools: [], required: false };
  if (choice === undefined || choice === "auto") return { tools, required: false };
  if (choice === "any" || choice === "required") return { tools, required: tools.length > 0 };
  const named = typeof choice === "string" ? choice : (choice as OpenAITool).function?.name;
  const only = tools.filter((tool) => tool.function.name === named);
  if (only.length > 0) return { tools: only, required: true };
  throw new ConfigError(
    "AGEMEM_CONFIG_INVALID",
    `tool_choice names no tool that is bound: ${JSON.stringify(choice)}`,
    {
      remedy: 'Give "auto", "none", "any" or the name of a bound tool.',
    },
  );
}

function grammarOf(
  { responseSchema, constrainTools }: TurnOptions,
  tools: readonly OpenAITool[],
  required: boolean,
  { form }: ChatTemplate,
): string | undefined {
  if (responseSchema !== undefined) return jsonGrammar(responseSchema);
  return tools.length > 0 && (constrainTools || required) ? toolGrammar(tools, form, required) : undefined;
}
