/**
 * Backends of the counting endpoint: LangChain models (a `gguf:` file in this process, or a served one), or a script.
 */
import type { EmbeddingsInterface } from "@langchain/core/embeddings";
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { type AIMessage, type BaseMessageLike, coerceMessageLikeToMessage } from "@langchain/core/messages";
import { ChatOpenAI } from "@langchain/openai";
import { GgufChatModel } from "../../models/gguf/chat-model.js";
import type { TokenCounter } from "../../types.js";
import type { ChatAnswer, ChatBody, ProxyBackend } from "./model-proxy.js";

/** Options of {@link modelBackend}. */
export interface ModelBackendOptions {
  model: BaseChatModel;
  embeddings: EmbeddingsInterface;
  /** Counts embedded texts, and messages if the model reports no usage. */
  counter: TokenCounter;
}

/**
 * Answers with a LangChain chat model. Tools are bound unchanged. A JSON mode or schema becomes a grammar for a local
 * model, is passed on to OpenAI's models, and is left to the prompt for others. Sampling is the model's own.
 */
export function modelBackend({ model, embeddings, counter }: ModelBackendOptions): ProxyBackend {
  return {
    chat: async (body) => {
      const messages = body.messages.map((message) => coerceMessageLikeToMessage(message as BaseMessageLike));
      const answer = (await prepared(model, body).invoke(messages)) as AIMessage;
      const counted = () => messages.reduce((sum, message) => sum + counter.countMessage(message), 0);
      return toAnswer(answer, {
        promptTokens: answer.usage_metadata?.input_tokens ?? counted(),
        responseTokens: answer.usage_metadata?.output_tokens ?? counter.countMessage(answer),
      });
    },
    embed: async (inputs) => ({
      vectors: await embeddings.embedDocuments([...inputs]),
      tokens: inputs.reduce((sum, input) => sum + counter.countText(input), 0),
    }),
  };
}

/** Text, or a message with tool calls. */
export type ProxyReply = string | Partial<Pick<ChatAnswer["message"], "content" | "tool_calls">>;

/** Answers with what a function returns. For tests, and runs without a model. */
export function scriptedBackend(
  reply: (body: ChatBody) => ProxyReply | Promise<ProxyReply>,
  { embeddings, counter }: Pick<ModelBackendOptions, "embeddings" | "counter">,
): ProxyBackend {
  return {
    chat: async (body) => {
      const said = await reply(body);
      const message: ChatAnswer["message"] = {
        role: "assistant",
        ...(typeof said === "string" ? { content: said } : { content: null, ...said }),
      };
      const prompt = body.messages.map(({ content: text }) =>
        typeof text === "string" ? text : JSON.stringify(text),
      );
      return {
        message,
        finishReason: message.tool_calls ? "tool_calls" : "stop",
        promptTokens: prompt.reduce((sum, text) => sum + counter.countText(text), 0),
        responseTokens: counter.countText(typeof said === "string" ? said : JSON.stringify(said)),
      };
    },
    embed: async (inputs) => ({
      vectors: await embeddings.embedDocuments([...inputs]),
      tokens: inputs.reduce((sum, input) => sum + counter.countText(input), 0),
    }),
  };
}

function prepared(model: BaseChatModel, body: ChatBody) {
  const { tools, tool_choice: choice, response_format: format } = body;
  const maxTokens = body.max_completion_tokens ?? body.max_tokens;
  if (tools?.length) {
    return (model.bindTools ?? noTools).call(
      model,
      tools,
      choice === undefined ? {} : { tool_choice: choice as never },
    );
  }
  if (model instanceof ChatOpenAI)
    return format ? model.withConfig({ response_format: format as never }) : model;
  if (!(model instanceof GgufChatModel)) return model;
  const schema =
    format?.json_schema?.schema ?? (format?.type === "json_object" ? { type: "object" } : undefined);
  return model.withConfig({
    ...(maxTokens === undefined ? {} : { maxTokens }),
    ...(schema === undefined ? {} : { responseSchema: schema }),
  });
}

function noTools(): never {
  throw new TypeError("this model cannot be given tools");
}

function toAnswer(
  answer: AIMessage,
  tokens: Pick<ChatAnswer, "promptTokens" | "responseTokens">,
): ChatAnswer {
  const calls = answer.tool_calls?.map(({ id, name, args }) => ({
    id: id ?? name,
    type: "function",
    function: { name, arguments: JSON.stringify(args) },
  }));
  const message = {
    role: "assistant" as const,
    content: answer.text,
    ...(calls?.length ? { tool_calls: calls } : {}),
  };
  return { message, finishReason: calls?.length ? "tool_calls" : "stop", ...tokens };
}
