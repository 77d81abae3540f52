/**
 * Calls a chat model below `invoke`: does what LangChain does around `_generate`, without its callback machinery.
 *
 * Owns which models can be called this way, and that the response and the callback events equal those of `invoke`
 * (`tests/rollout/driver/loop.test.ts` compares them). Any other model is called through `invoke`.
 */
import type { BaseCallbackHandler } from "@langchain/core/callbacks/base";
import type { CallbackManager } from "@langchain/core/callbacks/manager";
import { BaseChatModel } from "@langchain/core/language_models/chat_models";
import type { AIMessage, BaseMessage } from "@langchain/core/messages";
import type { LLMResult } from "@langchain/core/outputs";
import { RunnableBinding, type RunnableConfig } from "@langchain/core/runnables";
import { BaseChatOpenAI } from "@langchain/openai";
import type { ActingModel, Ask } from "../../agent/protocol.js";
import { runModelCall } from "./callback-events.js";

type Fields = Record<string, unknown>;

/** A model and the options bound to it. */
interface Bound {
  model: BaseChatModel;
  options: Fields;
  /** What every call reports to handlers; it depends on model and options alone, so it is computed once. */
  described?: { metadata: Fields; sent: Fields };
}

/**
 * Calls the model directly where that makes no difference. The config's callbacks must be one run's callback manager.
 */
export const askDirectly: Ask = async (model, messages, config) => {
  const bound = unbound(model);
  if (!bound) return (await model.invoke(messages, config)) as AIMessage;
  const parent = config.callbacks as CallbackManager;
  return generate(bound, messages, config, parent.handlers, parent.getParentRunId());
};

const seen = new WeakMap<ActingModel, Bound | null>();

function unbound(model: ActingModel): Bound | null {
  const known = seen.get(model);
  if (known !== undefined) return known;
  const bound = unwrap(model);
  seen.set(model, bound);
  return bound;
}

/** Options that, when bound to a model, change the run and not the request. */
const RUN_OPTIONS = [
  "callbacks",
  "tags",
  "metadata",
  "runName",
  "runId",
  "configurable",
  "signal",
  "timeout",
] as const;

/** Null for a model whose `invoke` does more than LangChain's own. */
function unwrap(model: ActingModel): Bound | null {
  // `withConfig` keeps options of the call and of the run in one object.
  const bound = model instanceof RunnableBinding ? { ...model.config, ...model.kwargs } : {};
  const inner: unknown = model instanceof RunnableBinding ? model.bound : model;
  if (RUN_OPTIONS.some((key) => key in bound)) return null;
  if (model instanceof RunnableBinding && model.configFactories?.length) return null;
  if (!(inner instanceof BaseChatModel) || hasSurroundings(inner)) return null;
  if (inner instanceof BaseChatOpenAI) {
    if (inner.invoke !== BaseChatOpenAI.prototype.invoke) return null;
    // OpenAI's models keep bound options here; their `invoke` merges them in.
    const { defaultOptions } = inner as unknown as { defaultOptions?: Fields };
    return { model: inner, options: { ...defaultOptions, ...bound } };
  }
  return inner.invoke === BaseChatModel.prototype.invoke ? { model: inner, options: bound } : null;
}

/** Whether the model has its own handlers or cache, or messages in another format. */
function hasSurroundings({ callbacks, cache, verbose, outputVersion }: BaseChatModel): boolean {
  return Boolean(callbacks || cache || verbose) || outputVersion === "v1";
}

type CallOptions = BaseChatModel["ParsedCallOptions"];

function describe({ model, options }: Bound): NonNullable<Bound["described"]> {
  const given = options as CallOptions;
  return {
    metadata: { ...model.getLsParams(given), ...model.metadata },
    sent: model.invocationParams(given) as Fields,
  };
}

async function generate(
  bound: Bound,
  messages: BaseMessage[],
  { signal, metadata, tags = [], runName = bound.model.getName() }: RunnableConfig,
  handlers: BaseCallbackHandler[],
  parentId: string | undefined,
): Promise<AIMessage> {
  const { model } = bound;
  const options = { ...bound.options, ...(signal ? { signal } : {}) } as CallOptions;
  bound.described ??= describe(bound);
  const extra = { options, invocation_params: bound.described.sent, batch_size: 1 };
  const run = {
    parentId,
    name: runName,
    tags: model.tags?.length ? [...tags, ...model.tags] : tags,
    metadata: { ...metadata, ...bound.described.metadata },
    extra,
  };
  const result = await runModelCall(handlers, run, messages, async (runId): Promise<LLMResult> => {
    const { generations, llmOutput } = await model._generate(messages, options);
    for (const { message, generationInfo } of generations) {
      // As in LangChain: without handlers there is no run to take the id from.
      if (message.id === undefined && handlers.length > 0) message._updateId(`run-${runId}`);
      message.response_metadata = { ...generationInfo, ...message.response_metadata };
    }
    const [only, ...more] = generations;
    if (only && more.length === 0) {
      only.message.response_metadata = { ...llmOutput, ...only.message.response_metadata };
    }
    return { generations: [generations], ...(llmOutput ? { llmOutput } : {}) };
  });
  const first = result.generations[0]?.[0] as { message: AIMessage } | undefined;
  if (!first) throw new Error("Received empty response from chat model call.");
  return first.message;
}
