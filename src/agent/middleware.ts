/**
 * `ageMemMiddleware`: the six operations, the guide and the overflow guard for langchain's `createAgent`.
 *
 * Owns the translation to langchain's hooks. Only types of langchain are used, so that agemem works without it.
 */
import { dispatchCustomEvent } from "@langchain/core/callbacks/dispatch";
import { type BaseMessage, SystemMessage, ToolMessage } from "@langchain/core/messages";
import type { ToolCall } from "@langchain/core/messages/tool";
import type { StructuredToolInterface } from "@langchain/core/tools";
import { convertToOpenAITool } from "@langchain/core/utils/function_calling";
import { Command, getConfig, isGraphBubbleUp, type LangGraphRunnableConfig } from "@langchain/langgraph";
import type { AgentMiddleware } from "langchain";
import { promptLimit } from "../context/budget.js";
import { providerView } from "../context/provider-view.js";
import { tokenCounter } from "../models/tokens.js";
import { budgetLine, memoryGuide, type PromptVariant } from "../prompts.js";
import { createMemoryTools, type MemoryToolsOptions, toolNames } from "../tools/memory-tools.js";
import { reduceOverflow } from "../tools/overflow.js";
import { targetedUpdate } from "../tools/parallel-edit.js";
import { createToolkit } from "../tools/toolkit.js";
import { MEMORY_EVENT, type TokenCounter } from "../types.js";
import {
  type ContextSize,
  checkKeep,
  isReached,
  type KeepSize,
  newestWithin,
  triggerConditions,
} from "./context-size.js";
import { AgentContext } from "./options.js";
import { withoutTracedContext } from "./private-model.js";
import { readableResponse } from "./readable-response.js";
import { MemoryState } from "./state.js";

/** Options of {@link ageMemMiddleware}, on top of those of the memory tools. */
export interface AgeMemMiddlewareConfig extends MemoryToolsOptions {
  /** When the oldest messages are summarised without being asked; default `{ tokens: maxTokens - responseTokens }`. */
  trigger?: ContextSize | ContextSize[];
  /** What such a summary leaves as it is; default `{ fraction: 0.5 }` of the budget. */
  keep?: KeepSize;
  /** "short" for models with a small window; default "full". */
  promptVariant?: PromptVariant;
}

/** The middleware's type: its state, and the tools it brings. */
export type AgeMemMiddleware = AgentMiddleware<
  typeof MemoryState,
  typeof AgentContext,
  Record<string, unknown>,
  readonly StructuredToolInterface[]
>;

type ModelRequest = Parameters<NonNullable<AgeMemMiddleware["wrapModelCall"]>>[0];

/**
 * Memory for an agent of langchain: six tools, the guide to them behind your system prompt, and a summary of the
 * oldest messages when the context reaches `trigger`.
 *
 * The run must supply what the namespace template names (default `user_id`) in `context` or `configurable`. Calls of
 * one response run at the same time in `createAgent`: of several SUMMARY and FILTER calls the first runs.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for a setting out of range
 * @example
 * const agent = createAgent({ model, tools, middleware: [ageMemMiddleware({ store })] });
 * await agent.invoke({ messages: "I moved to Lisbon." }, { context: { user_id: "ada" } });
 */
export function ageMemMiddleware(config: AgeMemMiddlewareConfig): AgeMemMiddleware {
  let overhead = 0;
  const counter = remember(config.counter ?? tokenCounter());
  const settings = { ...config, counter, overheadTokens: () => overhead };
  const kit = createToolkit(settings);
  const { maxTokens } = kit.budget;
  const conditions = triggerConditions(config.trigger ?? { tokens: promptLimit(kit.budget) });
  const keep = checkKeep(config.keep ?? { fraction: 0.5 });
  const guide = memoryGuide({ names: toolNames(config.names), variant: config.promptVariant ?? "full" });
  const tools = createMemoryTools(settings);
  const memoryTools = new Set(tools.map((tool) => tool.name));
  const countTools = toolCounter(counter);
  const tokensOf = (message: BaseMessage) => counter.countMessage(message);
  const total = (messages: readonly BaseMessage[]) =>
    messages.reduce((sum, m) => sum + tokensOf(m), overhead);
  const reduce = async ({ messages, state, runtime }: ModelRequest) => {
    if (!isReached(conditions, { tokens: total(messages), messages: messages.length }, maxTokens)) return;
    const keepIds = newestWithin(messages, keep, tokensOf, maxTokens).map((message) => message.id as string);
    const run = { ...getConfig(), context: runtime.context } as LangGraphRunnableConfig;
    const { contextFacts = {} } = state;
    const reduced = await reduceOverflow(kit, { messages, contextFacts }, overhead, run, { keepIds });
    if (!reduced) return;
    runtime.writer?.({ event: MEMORY_EVENT, ...reduced.outcome });
    await dispatchCustomEvent(MEMORY_EVENT, reduced.outcome, run);
    return reduced;
  };
  const middleware: AgeMemMiddleware & Record<symbol, boolean> = {
    // What langchain's createMiddleware() puts on its results.
    [Symbol.for("AgentMiddleware")]: true,
    name: "AgeMemMiddleware",
    stateSchema: MemoryState,
    contextSchema: AgentContext,
    tools,
    wrapToolCall: async (request, handler) => {
      if (memoryTools.has(request.toolCall.name)) return handler(request);
      return ownCall(() => handler(request), request.toolCall, request.runtime.signal);
    },
    // The trigger is looked at here and not in a hook of its own, which would be one more graph step per model call.
    wrapModelCall: async (request, handler) => {
      const framed = request.systemMessage.concat(`\n\n${guide}`);
      overhead = counter.countMessage(framed) + countTools(request.tools as StructuredToolInterface[]);
      const reduced = await reduce(request);
      const view = providerView(reduced?.messages ?? request.messages);
      // A developer's message among the others joins the agent's own system message.
      const developer = view.filter((message) => SystemMessage.isInstance(message));
      const messages = view.slice(developer.length);
      const systemMessage = developer.reduce(
        (sum, message) => sum.concat("\n\n").concat(message),
        framed.concat(`\n\n${budgetLine(total(messages), maxTokens)}`),
      );
      const model = withoutTracedContext(request.model);
      const ask = (shown: BaseMessage[]) => handler({ ...request, model, messages: shown, systemMessage });
      const response = await readableResponse(ask, messages);
      if (!reduced) return response;
      const update = {
        messages: [...targetedUpdate(reduced.edit), response],
        contextFacts: reduced.facts,
      };
      return new Command({ update });
    },
  };
  return middleware;
}

/**
 * Runs a tool of the application as it would run without this middleware. langchain tells the model of any error of a
 * tool, a failing disk included; a hook around the calls makes errors fatal, which the memory tools want and others do not.
 */
async function ownCall<T>(call: () => T, { name, id }: ToolCall, signal: AbortSignal | undefined) {
  try {
    return await call();
  } catch (error) {
    const known = error instanceof Error && ["ToolInvocationError", "MiddlewareError"].includes(error.name);
    if (known || isGraphBubbleUp(error) || signal?.aborted) throw error;
    const content = `${error}\n Please fix your mistakes.`;
    return new ToolMessage({ name, content, tool_call_id: id ?? "", status: "error" });
  }
}

/** Counts each message object once: the hooks see the same ones again at every step. */
function remember(counter: TokenCounter): TokenCounter {
  const known = new WeakMap<BaseMessage, number>();
  return {
    name: counter.name,
    exact: counter.exact,
    countText: (text) => counter.countText(text),
    countTools: (tools) => counter.countTools(tools),
    countMessage(message) {
      const tokens = known.get(message) ?? counter.countMessage(message);
      known.set(message, tokens);
      return tokens;
    },
  };
}

/** Tokens of tool schemas; they are the same list at every step. */
function toolCounter(counter: TokenCounter): (tools: StructuredToolInterface[]) => number {
  let last: { tools: StructuredToolInterface[]; tokens: number } | undefined;
  return (tools) => {
    if (last?.tools !== tools) {
      const schemas = tools.map((tool) => {
        const { name, description = "", parameters = {} } = convertToOpenAITool(tool).function;
        return { name, description, parameters: parameters as Record<string, unknown> };
      });
      last = { tools, tokens: counter.countTools(schemas) };
    }
    return last.tokens;
  };
}
