/** What the nodes share, resolved once when the agent is built. */
import { type AIMessage, SystemMessage } from "@langchain/core/messages";
import type { StructuredToolInterface } from "@langchain/core/tools";
import type { LangGraphRunnableConfig } from "@langchain/langgraph";
import { ToolNode } from "@langchain/langgraph/prebuilt";
import { LRUCache } from "lru-cache";
import { tokensOf } from "../context/message-tokens.js";
import { ConfigError } from "../errors.js";
import { authenticatedValues } from "../lib/run-owner.js";
import type { Prices } from "../lib/usage.js";
import { modelNameOf } from "../models/model-name.js";
import { systemPrompt } from "../prompts.js";
import { budgetFor } from "../tools/budget.js";
import { toTool } from "../tools/memory-tools.js";
import type { OperationCall } from "../tools/operation-call.js";
import { createMemoryOperations, type MemoryOperation, type OperationDone } from "../tools/operations.js";
import type { MemoryToolkit } from "../tools/toolkit.js";
import { MEMORY_OPS, managesContext, TOOL_ALIASES } from "../types.js";
import { type MemoryOf, memoryOf } from "./branches/memory-branch.js";
import { type AllowedDecision, askedTools } from "./nodes/approval.js";
import { runReported } from "./nodes/reported-run.js";
import { type Structure, structureOf } from "./nodes/structure.js";
import type { AgeMemAgentOptions } from "./options.js";
import type { AgentProtocol, Ask } from "./protocol.js";
import { nativeProtocol } from "./protocols/native.js";
import { textProtocol } from "./protocols/text.js";
import { type RunLimits, readRunLimits } from "./run-values.js";
import { toolSchema } from "./tool-schemas.js";

/**
 * How the nodes call the model and the operations. The graph uses LangChain's runnables and callbacks; the driver of
 * rollouts passes two functions of its own instead, because nothing else in the nodes depends on LangChain's machinery
 * around a call.
 */
export interface Calls {
  /** Calls the model; the response is what `invoke` would return. */
  ask: Ask;
  /** Calls an operation: `operation.run(call)`, with whatever reporting surrounds it. */
  run(operation: MemoryOperation, call: OperationCall): Promise<OperationDone>;
}

const THROUGH_LANGCHAIN: Calls = {
  ask: async (model, messages, config) => (await model.invoke(messages, config)) as AIMessage,
  run: runReported,
};

/** The resolved parts of an agent. */
export interface AgentParts {
  kit: MemoryToolkit;
  protocol: AgentProtocol;
  /** The system prompt without the lines that change at each step. */
  system: string;
  /** Whether the model is told how full the context is: where it can do something about it. */
  tellsBudget: boolean;
  /** Tokens of a system prompt; cached, because only a few different ones occur. */
  systemTokens(text: string): number;
  /** Tokens of the tool schemas sent with the messages. */
  sentToolTokens: number;
  /** The memory operations, by tool name. */
  operations: ReadonlyMap<string, MemoryOperation>;
  run: Calls["run"];
  ownTools: ToolNode;
  /** Names of own tools whose answer is the final answer (LangChain's `returnDirect`). */
  direct: ReadonlySet<string>;
  onOverflow: "summarize" | "record";
  /** The tools whose calls a person is asked about, with the allowed decisions. */
  interruptOn: ReadonlyMap<string, readonly AllowedDecision[]>;
  /** Chooses the long-term memory of a node run. */
  memory: MemoryOf;
  prices: Prices | undefined;
  /** Names of the acting model and of the summarizer, for `usage`. */
  models: { policy: string; auxiliary: string };
  /** Produces the structured answer; undefined if `responseFormat` is not set. */
  structure: Structure | undefined;
  limits(config: LangGraphRunnableConfig): { maxSteps: number; onMaxSteps: "answer" | "stop" };
}

/**
 * Resolves models, tools and prompt.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for tools with the same name, an unknown tool in `interruptOn`, or options
 * that contradict each other or the store
 */
export function createParts(options: AgeMemAgentOptions, calls: Calls = THROUGH_LANGCHAIN): AgentParts {
  const { model } = options;
  const summarizer = options.summarizer ?? model;
  const budget = budgetFor(options.budget, model);
  const { kit, names, byName } = createMemoryOperations({ ...options, summarizer, budget });
  const variant = options.promptVariant ?? "full";
  const operations = options.operations ?? MEMORY_OPS;
  // An agent without memory keeps its context as it is.
  const onOverflow = options.onOverflow ?? (operations.length > 0 ? "summarize" : "record");
  const memory = [...byName.values()].map((operation) => toTool(operation, variant));
  const own = options.tools ?? [];
  const tools = [...memory, ...own];
  refuseSameNames(tools);
  refuseUnknownNames(options, tools);
  const schemas = tools.map(toolSchema);
  const spoken = {
    model,
    ask: calls.ask,
    tools,
    schemas,
    writtenCalls: options.writtenCalls,
    think: options.think,
  };
  const protocol = options.protocol === "text" ? textProtocol(spoken) : nativeProtocol(spoken);
  const prompt = systemPrompt({
    ...(options.systemPrompt === undefined ? {} : { instructions: options.systemPrompt }),
    names,
    variant,
    protocol: protocol.name,
    operations,
    guarded: onOverflow === "summarize",
  });
  return {
    kit,
    protocol,
    system: [prompt, protocol.systemSuffix].filter(Boolean).join("\n\n"),
    tellsBudget: managesContext(operations),
    systemTokens: countedOnce((text) => tokensOf([new SystemMessage(text)], kit.counter)),
    sentToolTokens: protocol.sentTools.length ? kit.counter.countTools(protocol.sentTools) : 0,
    operations: withAliases(byName, own),
    run: calls.run,
    ownTools: new ToolNode([...own]),
    direct: new Set(own.filter(({ returnDirect }) => returnDirect).map(({ name }) => name)),
    onOverflow,
    interruptOn: askedTools(options.interruptOn),
    memory: memoryOf(kit.store, options.memoryConsistency ?? "latest"),
    prices: options.prices,
    models: { policy: modelNameOf(model), auxiliary: modelNameOf(summarizer) },
    structure: structureOf(options),
    limits: (config) => limitsOf(options, config),
  };
}

/** The offered operations, also under their usual other names, unless a tool of the application has such a name. */
function withAliases(
  byName: ReadonlyMap<string, MemoryOperation>,
  own: readonly StructuredToolInterface[],
): ReadonlyMap<string, MemoryOperation> {
  const aliases = Object.entries(TOOL_ALIASES).flatMap(([alias, op]) => {
    const operation = [...byName.values()].find((each) => each.op === op);
    const taken = byName.has(alias) || own.some(({ name }) => name === alias);
    return operation && !taken ? [[alias, operation] as const] : [];
  });
  return new Map([...byName, ...aliases]);
}

/** Caches counts. System prompts differ only in the budget line and on the last step. */
function countedOnce(count: (text: string) => number): (text: string) => number {
  const known = new LRUCache<string, number>({ max: 50 });
  return (text) => {
    const tokens = known.get(text) ?? count(text);
    known.set(text, tokens);
    return tokens;
  };
}

/** An authenticated user is a client of a server and must not set the limits of a run, which costs the server money. */
function limitsOf(options: AgeMemAgentOptions, config: LangGraphRunnableConfig) {
  const client = authenticatedValues(config.configurable) !== undefined;
  const run: Partial<RunLimits> = client ? {} : readRunLimits(config);
  return {
    maxSteps: run.maxSteps ?? options.maxSteps ?? 10,
    onMaxSteps: run.onMaxSteps ?? options.onMaxSteps ?? "answer",
  };
}

function refuseSameNames(tools: readonly StructuredToolInterface[]): void {
  const seen = new Set<string>();
  for (const { name } of tools) {
    if (seen.has(name)) {
      throw new ConfigError("AGEMEM_CONFIG_INVALID", `Two tools are named "${name}"`, {
        remedy: "Rename your tool, or the memory tool with the `names` option.",
      });
    }
    seen.add(name);
  }
}

/** Refuses misspelled names, for which nobody would ever be asked. */
function refuseUnknownNames(
  { interruptOn = {} }: AgeMemAgentOptions,
  tools: readonly StructuredToolInterface[],
) {
  const known = tools.map(({ name }) => name);
  const unknown = Object.keys(interruptOn).filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  throw new ConfigError(
    "AGEMEM_CONFIG_INVALID",
    `interruptOn names tools the agent does not have: ${unknown.join(", ")}`,
    {
      remedy: `Use the names of its tools: ${known.join(", ")}.`,
      details: { unknown, known },
    },
  );
}
