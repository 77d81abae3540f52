/** What the nodes share: resolved once when the agent is built. */
import { type AIMessage, SystemMessage } from "@langchain/core/messages";
import type { ToolCall } from "@langchain/core/messages/tool";
import type { StructuredToolInterface } from "@langchain/core/tools";
import { convertToOpenAITool } from "@langchain/core/utils/function_calling";
import type { Command, LangGraphRunnableConfig } from "@langchain/langgraph";
import { ToolNode } from "@langchain/langgraph/prebuilt";
import { ConfigError } from "../errors.js";
import { BoundedMap } from "../lib/bounded-map.js";
import { authenticatedValues } from "../lib/run-owner.js";
import type { Prices } from "../lib/usage.js";
import { modelNameOf } from "../models/model-name.js";
import { systemPrompt } from "../prompts.js";
import { budgetFor } from "../tools/budget.js";
import {
  createMemoryOperations,
  type MemoryOperation,
  type MemoryToolUpdate,
  toolNames,
  toTool,
} from "../tools/memory-tools.js";
import type { ToolRunConfig } from "../tools/operation-context.js";
import { createToolkit, type MemoryToolkit } from "../tools/toolkit.js";
import type { ToolSchema } from "../types.js";
import { type MemoryOf, memoryOf } from "./branches/memory-branch.js";
import { type Structure, structureOf } from "./nodes/structure.js";
import type { AgeMemAgentOptions } from "./options.js";
import type { AgentProtocol, Ask } from "./protocol.js";
import { nativeProtocol } from "./protocols/native.js";
import { textProtocol } from "./protocols/text.js";
import { type RunLimits, readRunLimits } from "./run-values.js";

/** One call of a memory operation. */
export type RunMemory = (
  operation: MemoryOperation,
  call: ToolCall,
  config: ToolRunConfig,
) => Promise<MemoryToolUpdate>;

/** How the nodes reach model and memory: through LangChain's runnables, or as a driver of its own does it. */
export interface Calls {
  ask: Ask;
  /** Given the memory tools, in the order of the operations. */
  runMemory(tools: readonly StructuredToolInterface[]): RunMemory;
}

const THROUGH_LANGCHAIN: Calls = {
  ask: async (model, messages, config) => (await model.invoke(messages, config)) as AIMessage,
  runMemory: (tools) => {
    const byName = new Map(tools.map((tool) => [tool.name, tool]));
    return async ({ name }, call, config) => {
      // LangChain's type has no room for what a graph adds to the config.
      const runtime = config as LangGraphRunnableConfig;
      const command = await byName.get(name)?.invoke({ ...call, type: "tool_call" }, runtime);
      return (command as Command).update as MemoryToolUpdate;
    };
  },
};

export interface AgentParts {
  kit: MemoryToolkit;
  protocol: AgentProtocol;
  /** System prompt without the lines that change per step. */
  system: string;
  /** Tokens of a system prompt; the few that occur are counted once. */
  systemTokens(text: string): number;
  /** Tokens of the tool schemas that travel beside the messages. */
  sentToolTokens: number;
  operations: ReadonlyMap<string, MemoryOperation>;
  runMemory: RunMemory;
  ownTools: ToolNode;
  /** Names of own tools whose answer is the final one (LangChain's `returnDirect`). */
  direct: ReadonlySet<string>;
  overflow: "summarise" | "record";
  /** Names of the memory tools that need a person's approval. */
  approve: ReadonlySet<string>;
  /** The M of one node run. */
  memory: MemoryOf;
  prices: Prices | undefined;
  /** Names of the acting model and of the summariser, for `usage`. */
  models: { policy: string; auxiliary: string };
  /** Fills the structured answer; undefined when none is asked for. */
  structure: Structure | undefined;
  limits(config: LangGraphRunnableConfig): { maxSteps: number; onMaxSteps: "answer" | "stop" };
}

/** Resolves models, tools and prompt. Errors: `AGEMEM_CONFIG_INVALID` for tools of the same name. */
export function createParts(options: AgeMemAgentOptions, calls: Calls = THROUGH_LANGCHAIN): AgentParts {
  const { model } = options;
  const summarizer = options.summarizer ?? model;
  const kit = createToolkit({ ...options, summarizer, budget: budgetFor(options.budget, model) });
  const names = toolNames(options.names);
  const operations = createMemoryOperations(options, kit);
  const variant = options.promptVariant ?? "full";
  const memory = [...operations.values()].map((operation) => toTool(operation, variant));
  const own = options.tools ?? [];
  const tools = [...memory, ...own];
  refuseSameNames(tools);
  const schemas = tools.map(toSchema);
  const spoken = { model, ask: calls.ask, tools, schemas, writtenCalls: options.writtenCalls };
  const protocol = options.protocol === "text" ? textProtocol(spoken) : nativeProtocol(spoken);
  const prompt = systemPrompt({
    ...(options.instructions === undefined ? {} : { instructions: options.instructions }),
    names,
    variant,
    ...(options.operations ? { operations: options.operations } : {}),
  });
  return {
    kit,
    protocol,
    system: [prompt, protocol.systemSuffix].filter(Boolean).join("\n\n"),
    systemTokens: countedOnce((text) => kit.counter.countMessage(new SystemMessage(text))),
    sentToolTokens: protocol.sentTools.length ? kit.counter.countTools(protocol.sentTools) : 0,
    operations,
    runMemory: calls.runMemory(memory),
    ownTools: new ToolNode([...own]),
    direct: new Set(own.filter(({ returnDirect }) => returnDirect).map(({ name }) => name)),
    overflow: options.overflow ?? "summarise",
    approve: new Set((options.approve ?? []).map((op) => names[op])),
    memory: memoryOf(kit.store, options.memoryConsistency ?? "latest"),
    prices: options.prices,
    models: { policy: modelNameOf(model), auxiliary: modelNameOf(summarizer) },
    structure: structureOf(options),
    limits: (config) => limitsOf(options, config),
  };
}

/** The prompt changes with the budget line and the last step only. */
function countedOnce(count: (text: string) => number): (text: string) => number {
  const known = new BoundedMap<string, number>(50);
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

function toSchema(tool: StructuredToolInterface): ToolSchema {
  const { function: schema } = convertToOpenAITool(tool);
  return {
    name: schema.name,
    description: schema.description ?? "",
    parameters: (schema.parameters ?? {}) as Record<string, unknown>,
  };
}
