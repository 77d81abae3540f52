/**
 * The six operations as LangChain tools, for your own graphs: `ToolNode` and `createAgent`.
 *
 * Owns the translation of LangChain's tool runtime into an operation's call, and of its effect into a `Command`. The
 * graph of this package calls the operations directly (`operations.ts`).
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
 * (and `contextFacts`, `ltmVersion` and `memoryOwner` if the state has them); the ToolMessage's `artifact` is a
 * `MemoryOpOutcome`.
 *
 * With LangGraph's prebuilt `ToolNode` pass `{ handleToolErrors: false }`: by default it reports a failing disk to the
 * model as if the model had made a mistake. The model's real mistakes are answered by the tools themselves.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for a setting out of range, two tools with the same name, or SUMMARY without
 * a `summarizer`. A run that lacks a namespace value fails with `AGEMEM_NAMESPACE_VALUE_MISSING`.
 * @example
 * const tools = createMemoryTools({ store, summarizer: model });
 * const node = new ToolNode(tools, { handleToolErrors: false });
 */
export function createMemoryTools(options: MemoryToolsOptions): StructuredToolInterface[] {
  checkToolsOptions(options);
  refuseMissingSummarizer(options);
  return [...createMemoryOperations(options).byName.values()].map((operation) => toTool(operation));
}

/** Tools do not know the graph's model, so SUMMARY needs a summarizer of its own. */
function refuseMissingSummarizer({ summarizer, operations = MEMORY_OPS }: MemoryToolsOptions): void {
  if (summarizer || !operations.includes("SUMMARY")) return;
  throw new ConfigError(
    "AGEMEM_CONFIG_INVALID",
    "createMemoryTools: SUMMARY has no model to write summaries",
    {
      remedy: "Set `summarizer`, usually to your graph's model, or leave SUMMARY out of `operations`.",
      details: { missing: "summarizer" },
    },
  );
}

/** What LangGraph's `ToolNode` adds to a tool's config. */
type ToolRuntime = LangGraphRunnableConfig & {
  state?: MemoryToolsState;
  toolCallId?: string;
  toolCall?: { id?: string };
};

/**
 * An operation as a tool: run within LangChain's callbacks, its update returned in a `Command`.
 *
 * @param variant "short" saves tokens: a one-line description, and only the required arguments, undescribed
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
      // For `streamEvents` and handlers; a tool invoked on its own has no run to report to.
      if (runtime.callbacks) await dispatchCustomEvent(MEMORY_EVENT, done.outcome, runtime);
      return new Command({ update: toUpdate(done) });
    },
    { name, description, schema: announcedSchema(op, brief), ...traceFields(op) },
  ) as unknown as StructuredToolInterface;
}

/**
 * The argument schema shown to the model. LangChain does not validate against it: the operation does, so that a wrong
 * argument is answered and recorded like any other refusal.
 */
function announcedSchema(op: MemoryOp, brief: boolean): z.ZodType {
  const {
    properties = {},
    required = [],
    ...rest
  } = z.toJSONSchema(ANNOUNCED_SCHEMAS[op], {
    // Both cost tokens in every request and tell a model nothing; some providers reject the second.
    override: ({ jsonSchema }) => {
      delete jsonSchema.minLength;
      delete jsonSchema.propertyNames;
      if (brief) delete jsonSchema.description;
    },
  });
  const shown = Object.entries(properties).filter(([key]) => !brief || required.includes(key));
  // Set to undefined because the conversion would add a missing key again.
  return z.any().meta({ ...rest, properties: Object.fromEntries(shown), required, $schema: undefined });
}
