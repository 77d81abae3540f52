/**
 * The six operations as LangChain tools, for graphs of your own: `ToolNode` and `createAgent`.
 *
 * Owns the translation from LangChain's tool runtime to an operation's call, and of what it did to a `Command`. The graph
 * of this package runs the operations themselves (`operations.ts`).
 */
import { dispatchCustomEvent } from "@langchain/core/callbacks/dispatch";
import { type StructuredToolInterface, type ToolRunnableConfig, tool } from "@langchain/core/tools";
import { Command, type LangGraphRunnableConfig } from "@langchain/langgraph";
import { z } from "zod";
import { ConfigError } from "../errors.js";
import { BRIEF_DESCRIPTIONS, type PromptVariant, TOOL_DESCRIPTIONS } from "../prompts.js";
import { MEMORY_EVENT, MEMORY_OPS, type MemoryOp } from "../types.js";
import type { MemoryToolsState } from "./operation-call.js";
import { createMemoryOperations, type MemoryOperation, toUpdate } from "./operations.js";
import { checkToolsOptions } from "./option-schemas.js";
import { ANNOUNCED_SCHEMAS } from "./schemas.js";
import type { MemoryToolsOptions } from "./toolkit.js";
import { traceFields } from "./tracing.js";

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
  return [...createMemoryOperations(options).byName.values()].map((operation) => toTool(operation));
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

/** What LangGraph's `ToolNode` puts beside LangChain's fields on the config of a tool. */
type ToolRuntime = LangGraphRunnableConfig & {
  state?: MemoryToolsState;
  toolCallId?: string;
  toolCall?: { id?: string };
};

/**
 * An operation as a tool: LangChain's callbacks around it, its update in a `Command`.
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
      const { state = {}, toolCallId, toolCall, ...config } = runtime as unknown as ToolRuntime;
      const done = await run({ id: toolCallId ?? toolCall?.id ?? "", args, state, config });
      // For `streamEvents` and handlers; a tool that is invoked by itself has no run to report to.
      if (runtime.callbacks) await dispatchCustomEvent(MEMORY_EVENT, done.outcome, runtime);
      return new Command({ update: toUpdate(done) });
    },
    { name, description, schema: announcedSchema(op, brief), ...traceFields(op) },
  ) as unknown as StructuredToolInterface;
}

/**
 * What the model is told of the arguments, without LangChain's check before the tool runs: the operation checks them, so
 * that a wrong argument is answered and recorded like any other refusal.
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
