/**
 * The six operations as LangChain tools, for our graph, `ToolNode` and `createAgent` alike.
 *
 * Owns the translation between LangChain's tool runtime and an {@link OperationContext}, and back into a graph
 * update. Leaves out what the operations do (`run-operation.ts`) and the order of calls (`agent/`).
 */
import { dispatchCustomEvent } from "@langchain/core/callbacks/dispatch";
import { type BaseMessage, ToolMessage } from "@langchain/core/messages";
import type { ToolRunnableConfig } from "@langchain/core/tools";
import { type StructuredToolInterface, tool } from "@langchain/core/tools";
import { Command } from "@langchain/langgraph";
import { z } from "zod";
import type { FactsUpdate } from "../context/budget.js";
import { toMessagesUpdate } from "../context/edit.js";
import { fingerprint } from "../context/fingerprint.js";
import { ConfigError } from "../errors.js";
import { shortHash } from "../lib/hash.js";
import { BRIEF_DESCRIPTIONS, type PromptVariant, TOOL_DESCRIPTIONS, type ToolNames } from "../prompts.js";
import {
  isVersionedStore,
  MEMORY_EVENT,
  MEMORY_OPS,
  type MemoryOp,
  type MemoryOpOutcome,
  type MessageFact,
  PAPER_TOOL_NAMES,
  type StoreVersion,
} from "../types.js";
import { contextOf, type ToolRunConfig } from "./operation-context.js";
import { checkToolsOptions } from "./option-schemas.js";
import { targetedUpdate } from "./parallel-edit.js";
import { type OperationReport, runOperation } from "./run-operation.js";
import { ANNOUNCED_SCHEMAS } from "./schemas.js";
import {
  createToolkit,
  type MemoryToolkit,
  type MemoryToolkitOptions,
  type OperationContext,
} from "./toolkit.js";
import { traceFields, traceOutcome } from "./tracing.js";

/** Options of {@link createMemoryTools}. */
export interface MemoryToolsOptions extends MemoryToolkitOptions {
  /** Other names for the tools; default the paper's (`Add_memory` …). */
  names?: Partial<Record<MemoryOp, string>>;
  /** Which operations to offer; default all six. */
  operations?: readonly MemoryOp[];
}

/** The graph update a memory tool returns inside a `Command`. */
export type MemoryToolUpdate = {
  messages: BaseMessage[];
  contextFacts: FactsUpdate;
  ltmVersion?: StoreVersion;
  memoryOwner?: string;
};

/**
 * The memory operations as tools for any LangGraph graph. Each returns a `Command` that updates `messages`
 * (and, where the state has them, `contextFacts` and `ltmVersion`); the ToolMessage's `artifact` is a
 * `MemoryOpOutcome`.
 *
 * With LangGraph's prebuilt `ToolNode` pass `{ handleToolErrors: false }`, because by default it tells the model of a
 * failing disk as if it were the model's mistake; the model's real mistakes are answered by the tools themselves.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for a setting out of range, two tools of one name, or SUMMARY without a
 * `summarizer`. A run without the namespace's value fails with `AGEMEM_NAMESPACE_VALUE_MISSING`.
 * @example
 * const tools = createMemoryTools({ store, summarizer: model });
 * const node = new ToolNode(tools, { handleToolErrors: false });
 */
export function createMemoryTools(options: MemoryToolsOptions): StructuredToolInterface[] {
  checkToolsOptions(options);
  refuseMissingSummarizer(options);
  return [...createMemoryOperations(options).values()].map((operation) => toTool(operation));
}

/** Tools know no acting model that could write summaries, so that SUMMARY needs one to be named. */
function refuseMissingSummarizer({ summarizer, operations = MEMORY_OPS }: MemoryToolsOptions): void {
  if (summarizer || !operations.includes("SUMMARY")) return;
  throw new ConfigError(
    "AGEMEM_CONFIG_INVALID",
    "createMemoryTools: SUMMARY has no model that writes summaries",
    {
      remedy: "Give `summarizer`, usually the model of your graph, or leave SUMMARY out of `operations`.",
      details: { missing: "summarizer" },
    },
  );
}

/** Paper names with the given ones put in. */
export function toolNames(renamed: Partial<Record<MemoryOp, string>> = {}): ToolNames {
  const names = { ...PAPER_TOOL_NAMES, ...renamed };
  if (new Set(Object.values(names)).size < MEMORY_OPS.length) {
    throw new ConfigError("AGEMEM_CONFIG_INVALID", "Two memory tools have the same name", {
      remedy: "Give each operation a name of its own.",
      details: { names },
    });
  }
  return names;
}

/** One operation under its tool name, as a graph of ours runs it without LangChain's tool interface. */
export interface MemoryOperation {
  readonly op: MemoryOp;
  readonly name: string;
  /** Runs a call with the arguments the model gave; see {@link createMemoryTools} for what it throws. */
  run(args: unknown, config: ToolRunConfig): Promise<MemoryToolUpdate>;
}

/** The operations of {@link createMemoryTools} by tool name, in the same order. */
export function createMemoryOperations(
  options: MemoryToolsOptions,
  kit: MemoryToolkit = createToolkit(options),
): ReadonlyMap<string, MemoryOperation> {
  const names = toolNames(options.names);
  const operations = (options.operations ?? MEMORY_OPS).map((op) => memoryOperation(kit, op, names));
  return new Map(operations.map((operation) => [operation.name, operation]));
}

function memoryOperation(kit: MemoryToolkit, op: MemoryOp, names: ToolNames): MemoryOperation {
  const name = names[op];
  const edits = [names.SUMMARY, names.FILTER];
  const isEdit = (toolName: string) => edits.includes(name) && edits.includes(toolName);
  const isMemory = (toolName: string) => Object.values(names).includes(toolName);
  const deleting = op === "DELETE" ? { isDeletion: (toolName: string) => toolName === name } : {};
  return {
    op,
    name,
    run: async (args, config) => {
      const own = config.memory ? { ...kit, store: config.memory } : kit;
      const context = contextOf(own, config, { isEdit, isMemory, ...deleting });
      const report = await runOperation(own, op, args, context);
      traceOutcome(config, report.outcome);
      config.writer?.({ event: MEMORY_EVENT, ...report.outcome });
      return toolUpdate(own, name, report, context);
    },
  };
}

/**
 * An operation as a tool: LangChain's callbacks around it, its update in a Command.
 *
 * @param variant "short" announces it in brief: a short description, and only the names of required arguments
 */
export function toTool(
  { op, name, run }: MemoryOperation,
  variant: PromptVariant = "full",
): StructuredToolInterface {
  const brief = variant === "short";
  const description = (brief ? BRIEF_DESCRIPTIONS : TOOL_DESCRIPTIONS)[op];
  return tool(
    async (args: unknown, runtime: ToolRunnableConfig) => {
      const update = await run(args, runtime as unknown as ToolRunConfig);
      // For `streamEvents` and handlers; a tool that is invoked by itself has no run to report to.
      if (runtime.callbacks) await dispatchCustomEvent(MEMORY_EVENT, outcomeIn(update), runtime);
      return new Command({ update });
    },
    { name, description, schema: announcedSchema(op, brief), ...traceFields(op) },
  ) as unknown as StructuredToolInterface;
}

/** What the operation did: the artifact of its answer, which comes last. */
export function outcomeIn({ messages }: MemoryToolUpdate): MemoryOpOutcome {
  return (messages.at(-1) as ToolMessage).artifact as MemoryOpOutcome;
}

/**
 * What the model is told of the arguments, without LangChain's check before the tool runs: {@link runOperation}
 * checks them, so that a wrong argument is answered and recorded like any other refusal.
 */
function announcedSchema(op: MemoryOp, brief: boolean): z.ZodType {
  const {
    properties = {},
    required = [],
    ...rest
  } = z.toJSONSchema(ANNOUNCED_SCHEMAS[op], {
    // Cost tokens in every request and tell a model nothing; some providers refuse the second.
    override: ({ jsonSchema }) => {
      delete jsonSchema.minLength;
      delete jsonSchema.propertyNames;
      if (brief) delete jsonSchema.description;
    },
  });
  const shown = Object.entries(properties).filter(([key]) => !brief || required.includes(key));
  // Undefined, not left out: converting the schema would put it in again.
  return z.any().meta({ ...rest, properties: Object.fromEntries(shown), required, $schema: undefined });
}

/** A ToolMessage and the facts that go with it, as a graph update. */
function toolUpdate(
  kit: MemoryToolkit,
  name: string,
  report: OperationReport,
  context: OperationContext,
): MemoryToolUpdate {
  const message = new ToolMessage({
    // Not the call's own id: providers and scripts reuse those, and an equal id would replace an older message.
    id: `t${shortHash(context.key, 12)}`,
    name,
    content: report.text,
    status: report.outcome.ok ? "success" : "error",
    tool_call_id: context.toolCallId,
    artifact: report.outcome,
  });
  const fact: MessageFact = {
    tokens: kit.counter.countMessage(message),
    // With it the next step need not count the message again.
    check: fingerprint(message, kit.counter.name),
    origin: report.outcome.op === "RETRIEVE" && report.outcome.ok ? "memory" : "tool",
    ...(Object.keys(report.shown).length ? { memories: report.shown } : {}),
  };
  return {
    messages: [...editUpdate(report, context), message],
    contextFacts: { ...report.facts, [message.id as string]: fact },
    ...(isVersionedStore(kit.store) ? { ltmVersion: kit.store.version() } : {}),
    ...(context.owner === undefined ? {} : { memoryOwner: context.owner }),
  };
}

function editUpdate({ edit }: OperationReport, context: OperationContext): BaseMessage[] {
  if (!edit) return [];
  return context.parallel ? targetedUpdate(edit) : toMessagesUpdate(edit.messages);
}
