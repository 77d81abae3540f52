/**
 * `ageMemMiddleware`: the six operations, the guide and the overflow guard for langchain's `createAgent`.
 *
 * Owns the translation to langchain's hooks. It imports only types of langchain, so that agemem works without it.
 */
import { dispatchCustomEvent } from "@langchain/core/callbacks/dispatch";
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { AIMessage, type BaseMessage, SystemMessage } from "@langchain/core/messages";
import type { StructuredToolInterface } from "@langchain/core/tools";
import { Command, getConfig, type LangGraphRunnableConfig } from "@langchain/langgraph";
import type { AgentMiddleware } from "langchain";
import { type ContextBudget, promptLimit } from "../../context/budget.js";
import { tokensOf } from "../../context/message-tokens.js";
import { providerView } from "../../context/provider-view.js";
import { ownerOf } from "../../lib/run-owner.js";
import { budgetLine, memoryGuide } from "../../prompts.js";
import { budgetFor } from "../../tools/budget.js";
import { toTool } from "../../tools/memory-tools.js";
import { createMemoryOperations } from "../../tools/operations.js";
import { type ReducedContext, reduceOverflow } from "../../tools/overflow.js";
import { targetedUpdate } from "../../tools/parallel-edit.js";
import type { MemoryToolkit } from "../../tools/toolkit.js";
import { MEMORY_EVENT, MEMORY_OPS, managesContext, type TokenCounter } from "../../types.js";
import { AgentContext } from "../options.js";
import { MemoryState } from "../state.js";
import { responseSchemas, toolSchema } from "../tool-schemas.js";
import { notedModel, noteModel } from "./asking-model.js";
import {
  type ContextSize,
  checkKeep,
  isReached,
  type KeepSize,
  newestWithin,
  triggerConditions,
} from "./context-size.js";
import { type AgeMemMiddlewareConfig, checkMiddlewareOptions } from "./options.js";
import { ownCall } from "./own-tool-errors.js";
import { withoutTracedContext } from "./private-model.js";
import { readableResponse } from "./readable-response.js";

/** The middleware's type, with its state and tools. */
export type AgeMemMiddleware = AgentMiddleware<
  typeof MemoryState,
  typeof AgentContext,
  Record<string, unknown>,
  readonly StructuredToolInterface[]
>;

type ModelRequest = Parameters<NonNullable<AgeMemMiddleware["wrapModelCall"]>>[0];
type ModelHandler = Parameters<NonNullable<AgeMemMiddleware["wrapModelCall"]>>[1];

/**
 * Memory for a langchain agent: six tools, a guide to them after your system prompt, and a summary of the oldest
 * messages when the context reaches `trigger`.
 *
 * The run must supply the values its namespace template names (default `user_id`) in `context` or `configurable`.
 * `createAgent` runs the calls of a response concurrently, so only the first of several SUMMARY and FILTER calls runs.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for a setting out of range
 * @example
 * const agent = createAgent({ model, tools, middleware: [ageMemMiddleware({ store })] });
 * await agent.invoke({ messages: "I moved to Lisbon." }, { context: { user_id: "ada" } });
 */
export function ageMemMiddleware(config: AgeMemMiddlewareConfig): AgeMemMiddleware {
  checkMiddlewareOptions(config);
  const { kit, names, byName } = createMemoryOperations(config, notedModel);
  const { counter } = kit;
  const sizes = sizesOf(config);
  const variant = config.promptVariant ?? "full";
  const guide = memoryGuide({
    names,
    variant,
    ...(config.operations ? { operations: config.operations } : {}),
    // langchain runs the calls of a response concurrently.
    inOrder: false,
  });
  const tools = [...byName.values()].map((operation) => toTool(operation, variant));
  const memoryTools = new Set(tools.map((tool) => tool.name));
  const toolTokens = toolCounter(counter);
  const tellsBudget = managesContext(config.operations ?? MEMORY_OPS);
  const middleware: AgeMemMiddleware & Record<symbol, boolean> = {
    // The mark of langchain's createMiddleware().
    [Symbol.for("AgentMiddleware")]: true,
    name: "AgeMemMiddleware",
    stateSchema: MemoryState,
    contextSchema: AgentContext,
    tools,
    // Before the first model call: the run must say whose memory it uses, and the thread must belong to them.
    beforeAgent: (state) => {
      // The hook's own context has only the keys of a schema, but the namespace template may name any key.
      const { owner } = ownerOf(kit.namespace, getConfig() as LangGraphRunnableConfig, state.memoryOwner);
      return state.memoryOwner ? undefined : { memoryOwner: owner };
    },
    wrapToolCall: async (request, handler) => {
      // A resumed run starts here.
      ownerOf(kit.namespace, request.runtime, (request.state as { memoryOwner?: string }).memoryOwner);
      if (memoryTools.has(request.toolCall.name)) return handler(request);
      return ownCall(async () => handler(request), request.toolCall, request.runtime.signal);
    },
    // The trigger is checked here, because a hook of its own would add a graph step to every model call.
    wrapModelCall: async (request, handler) => {
      ownerOf(kit.namespace, request.runtime, request.state.memoryOwner);
      const size = sizes(chatModel(request));
      const framed = guide ? request.systemMessage.concat(`\n\n${guide}`) : request.systemMessage;
      const overhead = tokensOf([framed], counter) + toolTokens(request);
      const summarizer = config.summarizer ?? chatModel(request);
      const reduced = await guard({ ...kit, summarizerOf: () => summarizer }, request, size, overhead);
      const shown = reduced?.messages ?? request.messages;
      const { messages, systemMessage } = promptOf(shown, framed, (rest) =>
        tellsBudget ? budgetLine(tokensOf(rest, counter) + overhead, actsAt(size)) : undefined,
      );
      const model = withoutTracedContext(request.model);
      let given: unknown;
      const ask = async (shown: BaseMessage[]) => {
        const response = await handler({ ...request, model, messages: shown, systemMessage });
        given = response;
        return response;
      };
      const response = await readableResponse(ask, messages);
      if (AIMessage.isInstance(response)) noteModel(response, summarizer);
      return withMemory(response, { reduced, overhead, replaced: response !== given });
    },
  };
  return middleware;
}

/** The model of a request, whose declared type has only what langchain needs. */
function chatModel({ model }: ModelRequest): BaseChatModel {
  return model as BaseChatModel;
}

/** The history in a form that providers accept; system messages within it are appended to the agent's own. */
function promptOf(
  shown: BaseMessage[],
  framed: SystemMessage,
  lastLine: (rest: BaseMessage[]) => string | undefined,
) {
  const view = providerView(shown);
  const developer = view.filter((message) => SystemMessage.isInstance(message));
  const messages = view.slice(developer.length);
  const line = lastLine(messages);
  const own = line === undefined ? framed : framed.concat(`\n\n${line}`);
  return {
    messages,
    systemMessage: developer.reduce(
      // Anthropic rejects a text block of white space only.
      (sum, { content }) =>
        sum.concat(typeof content === "string" ? `\n\n${content}` : new SystemMessage({ content })),
      own,
    ),
  };
}

/** The sizes that govern the guard, for one model. */
interface Sizes {
  budget: ContextBudget;
  conditions: ContextSize[];
  keep: KeepSize;
}

/** The token count at which the guard acts: the lowest one a condition names, at most the limit of a prompt. */
function actsAt({ budget, conditions }: Sizes): number {
  const named = conditions.map(({ tokens, fraction }) =>
    Math.max(tokens ?? 0, (fraction ?? 0) * budget.maxTokens),
  );
  return Math.min(promptLimit(budget), ...named.filter((size) => size > 0));
}

/** Returns the sizes for a model. Options that are wrong for any model are refused at once. */
function sizesOf({ budget, trigger, keep = { fraction: 0.5 }, operations }: AgeMemMiddlewareConfig) {
  const given = trigger && triggerConditions(trigger);
  const kept = checkKeep(keep);
  const known = new WeakMap<BaseChatModel, Sizes>();
  return (model: BaseChatModel): Sizes => {
    const size = known.get(model);
    if (size) return size;
    const own = budgetFor(budget, model);
    // Without operations there is no memory, and the context stays whole unless a trigger is named.
    const conditions = given ?? (operations?.length === 0 ? [] : [{ tokens: promptLimit(own) }]);
    const made = { budget: own, conditions, keep: kept };
    known.set(model, made);
    return made;
  };
}

/** Summarizes the oldest messages if the trigger is reached; undefined if nothing changed. */
async function guard(
  kit: MemoryToolkit,
  { messages, state, runtime }: ModelRequest,
  { conditions, keep, budget }: Sizes,
  overhead: number,
): Promise<ReducedContext | undefined> {
  const tokens = tokensOf(messages, kit.counter) + overhead;
  if (!isReached(conditions, { tokens, messages: messages.length }, budget.maxTokens)) return undefined;
  const kept = newestWithin(messages, keep, (message) => tokensOf([message], kit.counter), budget.maxTokens);
  const keepIds = kept.map((message) => message.id as string);
  const run = { ...getConfig(), context: runtime.context } as LangGraphRunnableConfig;
  const { contextFacts = {} } = state;
  const done = await reduceOverflow({ ...kit, budget }, { messages, contextFacts }, overhead, run, {
    keepIds,
  });
  if (!done) return undefined;
  runtime.writer?.({ event: MEMORY_EVENT, ...done.outcome });
  await dispatchCustomEvent(MEMORY_EVENT, done.outcome, run);
  return done.reduced;
}

/**
 * The response with the state updates of this call. langchain itself adds the model's response to the state, and other
 * middleware may replace it, so the response is part of the update only if it was `replaced` here.
 */
function withMemory(
  response: Awaited<ReturnType<ModelHandler>>,
  made: { reduced: ReducedContext | undefined; overhead: number; replaced: boolean },
): ReturnType<ModelHandler> | Command {
  const edited = made.reduced ? targetedUpdate(made.reduced.edit) : [];
  if (!AIMessage.isInstance(response)) {
    // langchain accepts a structured answer in no other form; it ends the run, so no tool call follows.
    const structured = response as unknown as { messages?: BaseMessage[] };
    return { ...structured, messages: [...edited, ...(structured.messages ?? [])] } as never;
  }
  if (made.replaced && !made.reduced) return response;
  const messages = made.replaced ? [...edited, response] : edited;
  return new Command({
    update: { messages, contextFacts: made.reduced?.facts ?? {}, contextOverhead: made.overhead },
  });
}

/** Counts the tokens of a request's schemas. Cached, because langchain passes the same objects at every step. */
function toolCounter(counter: TokenCounter): (request: ModelRequest) => number {
  const known = new WeakMap<object, WeakMap<object, number>>();
  const nothing = {};
  return ({ tools, responseFormat }) => {
    const byFormat = known.get(tools) ?? new WeakMap<object, number>();
    known.set(tools, byFormat);
    const format = (responseFormat as object | undefined) ?? nothing;
    const before = byFormat.get(format);
    if (before !== undefined) return before;
    const schemas = (tools as StructuredToolInterface[]).map(toolSchema);
    const tokens = counter.countTools([...schemas, ...responseSchemas(responseFormat)]);
    byFormat.set(format, tokens);
    return tokens;
  };
}
