/**
 * The six operations as plain functions of a call. The graphs of this package run them directly; `memory-tools.ts`
 * wraps them as LangChain tools.
 *
 * Owns tool names, the answer to a call, and the graph update that carries it. Leaves out running an operation
 * (`run-operation.ts`) and the order of calls (`agent/`).
 */
import { type BaseMessage, ToolMessage } from "@langchain/core/messages";
import type { FactsUpdate } from "../context/budget.js";
import { type AppliedEdit, toMessagesUpdate } from "../context/edit.js";
import { measureMessage } from "../context/message-tokens.js";
import { ConfigError } from "../errors.js";
import { shortHash } from "../lib/hash.js";
import type { ToolNames } from "../prompts.js";
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
import type { OperationCall } from "./operation-call.js";
import { contextOf, type ToolTests } from "./operation-context.js";
import { targetedUpdate } from "./parallel-edit.js";
import { type OperationReport, runOperation } from "./run-operation.js";
import {
  createToolkit,
  type MemoryToolkit,
  type MemoryToolsOptions,
  type OperationContext,
  type SummarizerOf,
} from "./toolkit.js";
import { traceOutcome } from "./tracing.js";

/** One operation under its tool name. */
export interface MemoryOperation {
  readonly op: MemoryOp;
  readonly name: string;
  /** Runs a call. The model's mistakes go into the answer; failures of store, embedder or disk are thrown. */
  run(call: OperationCall): Promise<OperationDone>;
}

/** The result of a call. */
export interface OperationDone {
  /** The answer to the call; the outcome is its artifact. */
  answer: ToolMessage;
  outcome: MemoryOpOutcome;
  /** Set if the call edited the context; its messages do not include the answer. */
  edit?: AppliedEdit;
  /** Other calls may run at the same time, so the update must touch only the messages it names. */
  parallel: boolean;
  /** Facts of the answer and of the messages the edit changed. */
  facts: FactsUpdate;
  /** The version of long-term memory now; absent for a store without versions. */
  version?: StoreVersion;
  /** Whose thread this becomes; absent if the state already knows it. */
  owner?: string;
}

/** The operations and the kit they share with the overflow guard and the graph. */
export interface MemoryOperations {
  kit: MemoryToolkit;
  /** Tool names of all six, including those not offered. */
  names: ToolNames;
  /** The offered operations, by tool name. */
  byName: ReadonlyMap<string, MemoryOperation>;
}

/**
 * Creates the operations for a store.
 *
 * @param summarizerOf chooses the summarizer of a conversation when `options.summarizer` is not set
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for two tools with the same name, or a search mode the store lacks
 */
export function createMemoryOperations(
  options: MemoryToolsOptions,
  summarizerOf?: SummarizerOf,
): MemoryOperations {
  const names = toolNames(options.names);
  const kit = createToolkit(options, summarizerOf);
  const made = (options.operations ?? MEMORY_OPS).map((op) => memoryOperation(kit, op, names));
  return { kit, names, byName: new Map(made.map((operation) => [operation.name, operation])) };
}

/** The paper's names, overridden by the given ones. */
function toolNames(renamed: Partial<Record<MemoryOp, string>> = {}): ToolNames {
  const names = { ...PAPER_TOOL_NAMES, ...renamed };
  if (new Set(Object.values(names)).size < MEMORY_OPS.length) {
    throw new ConfigError("AGEMEM_CONFIG_INVALID", "Two memory tools have the same name", {
      remedy: "Give each operation a name of its own.",
      details: { names },
    });
  }
  return names;
}

function memoryOperation(kit: MemoryToolkit, op: MemoryOp, names: ToolNames): MemoryOperation {
  const name = names[op];
  const edits = [names.SUMMARY, names.FILTER];
  const tests: ToolTests = {
    isEdit: (tool) => edits.includes(name) && edits.includes(tool),
    isMemory: (tool) => Object.values(names).includes(tool),
    ...(op === "DELETE" ? { isDeletion: (tool: string) => tool === name } : {}),
  };
  return {
    op,
    name,
    run: async (call) => {
      const { config, inOrder } = call;
      const own = inOrder?.store ? { ...kit, store: inOrder.store } : kit;
      const context = contextOf(own, call, tests);
      const report = await runOperation(own, op, call.args, context);
      traceOutcome(config, report.outcome);
      config.writer?.({ event: MEMORY_EVENT, ...report.outcome });
      return done(own, name, report, context);
    },
  };
}

function done(
  kit: MemoryToolkit,
  name: string,
  { text, outcome, facts, shown, edit }: OperationReport,
  context: OperationContext,
): OperationDone {
  const answer = new ToolMessage({
    // Not the id of the call: providers reuse those, and an equal message id would replace an older answer.
    id: `t${shortHash(context.key, 12)}`,
    name,
    content: text,
    status: outcome.ok ? "success" : "error",
    tool_call_id: context.toolCallId,
    artifact: outcome,
  });
  const fact: MessageFact = {
    // Its fingerprint spares the next step counting the message again.
    ...measureMessage(answer, kit.counter),
    origin: outcome.op === "RETRIEVE" && outcome.ok ? "memory" : "tool",
    ...(Object.keys(shown).length ? { memories: shown } : {}),
  };
  return {
    answer,
    outcome,
    ...(edit ? { edit } : {}),
    parallel: context.parallel,
    facts: { ...facts, [answer.id as string]: fact },
    ...(isVersionedStore(kit.store) ? { version: kit.store.version() } : {}),
    ...(context.owner === undefined ? {} : { owner: context.owner }),
  };
}

/** The state update of a memory tool. */
export type MemoryToolUpdate = {
  messages: BaseMessage[];
  contextFacts: FactsUpdate;
  ltmVersion?: StoreVersion;
  memoryOwner?: string;
};

/** The result of a call as a state update. */
export function toUpdate({ answer, edit, parallel, facts, version, owner }: OperationDone): MemoryToolUpdate {
  const edited = !edit ? [] : parallel ? targetedUpdate(edit) : toMessagesUpdate(edit.messages);
  return {
    messages: [...edited, answer],
    contextFacts: facts,
    ...(version ? { ltmVersion: version } : {}),
    ...(owner === undefined ? {} : { memoryOwner: owner }),
  };
}
