/** What the nodes share: resolved once when the agent is built. */

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
 * How the nodes reach the model and the operations. The graph does it through LangChain's runnables and callbacks; a
 * driver of its own (rollouts) gives two functions in their place, and nothing else of the nodes depends on LangChain's
 * machinery around a call. Stable: a driver relies on these two signatures.
 */
export interface Calls {
  /** One call of the model: its response, as `invoke` would give it. */
  ask: Ask;
  /** One call of an operation: `operation.run(call)`, with whatever is told around it. */
  run(operation: MemoryOperation, call: OperationCall): Promise<OperationDone>;
}

const THROUGH_LANGCHAIN: Calls = {
  ask: async (model, messages, config) => (await model.invoke(messages, config)) as AIMessage,
  run: runReported,
};

export interface AgentParts {
  kit: MemoryToolkit;
  protocol: AgentProtocol;
  /** System prompt without the lines that change per step. */
  system: string;
  /** Whether the model is told how full the context is: where it can do something about it. */
  tellsBudget: boolean;
  /** Tokens of a system prompt; the few that occur are counted once. */
  systemTokens(text: string): number;
  /** Tokens of the tool schemas that travel beside the messages. */
  sentToolTokens: number;
  /** By tool name. */
  operations: ReadonlyMap<string, MemoryOperation>;
  run: Calls["run"];
  ownTools: ToolNode;
  /** Names of own tools whose answer is the final one (LangChain's `returnDirect`). */
  direct: ReadonlySet<string>;
  onOverflow: "summarize" | "record";
  /** Names of the tools that a person is asked about, with the decisions that are allowed. */
  interruptOn: ReadonlyMap<string, readonly AllowedDecision[]>;
  /** The long-term memory of one node run. */
  memory: MemoryOf;
  prices: Prices | undefined;
  /** Names of the acting model and of the summarizer, for `usage`. */
  models: { policy: string; auxiliary: string };
  /** Fills the structured answer; undefined when none is asked for. */
  structure: Structure | undefined;
  limits(config: LangGraphRunnableConfig): { maxSteps: number; onMaxSteps: "answer" | "stop" };
}

/** Resolves models, tools and prompt. Errors: `AGEMEM_CONFIG_INVALID` for tools of the same name. */
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
  const spoken = { model, ask: calls.ask, tools, schemas, writtenCalls: options.writtenCalls };
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

/** The operations on offer, also by the names that others give them, where no tool of the application has such a name. */
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

/** The prompt changes with the budget line and the last step only. */
function countedOnce(count: (text: string) => number): (text: string) => number {
  const known = new LRUCache<string, number>({ max: 50 });
  return (text) => {
    const tokens = known.get(text) ?? count(text);
    known.set(text, tokens);
    return tokens;
  };
}

/** An authenticated user is a client of a server: what a run may cost is for the server to say. */
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

/** A name that no tool has would ask nobody. */
function refuseUnknownNames(
  { interruptOn = {} }: AgeMemAgentOptions,
  tools: readonly StructuredToolInterface[],
) {
  const known = tools.map(({ name }) => name);
  const unknown = Object.keys(interruptOn).filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  throw new ConfigError(
    "AGEMEM_CONFIG_INVALID",
    `interruptOn names no tool of the agent: ${unknown.join(", ")}`,
    {
      remedy: `Its tools are ${known.join(", ")}.`,
      details: { unknown, known },
    },
  );
}
