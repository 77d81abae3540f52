/**
 * The six operations as plain functions of a call: what graphs of this package run, and what LangChain tools are made of
 * at the public edge (`memory-tools.ts`).
 *
 * Owns names, the answer to a call, and the graph update that carries it. Leaves out what an operation does
 * (`run-operation.ts`), and the order of calls (`agent/`).
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
  /** Runs a call. A mistake of the model is in the answer; what store, embedder or disk throw is thrown. */
  run(call: OperationCall): Promise<OperationDone>;
}

/** What a call left behind. */
export interface OperationDone {
  /** The answer to the call; the outcome is its artifact. */
  answer: ToolMessage;
  outcome: MemoryOpOutcome;
  /** Set when the context was edited; its messages are those before the answer. */
  edit?: AppliedEdit;
  /** Other calls may run at the same time: an update may touch only what it names. */
  parallel: boolean;
  /** Of the answer, and of what the edit changed. */
  facts: FactsUpdate;
  /** Where long-term memory stands now; absent for a store without versions. */
  version?: StoreVersion;
  /** Whose thread this becomes; absent where the state knows it. */
  owner?: string;
}

/** The operations with what they share: one kit for the tools, the guard and the graph around them. */
export interface MemoryOperations {
  kit: MemoryToolkit;
  /** Of all six, also of those that are not offered. */
  names: ToolNames;
  /** Those on offer, by tool name. */
  byName: ReadonlyMap<string, MemoryOperation>;
}

/**
 * The operations for a store.
 *
 * @param summarizerOf in place of one summarizer for all conversations
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for two tools of one name, or a search mode the store does not have
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

/** Paper names with the given ones put in. */
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
    // Not the call's own id: providers and scripts reuse those, and an equal id would replace an older message.
    id: `t${shortHash(context.key, 12)}`,
    name,
    content: text,
    status: outcome.ok ? "success" : "error",
    tool_call_id: context.toolCallId,
    artifact: outcome,
  });
  const fact: MessageFact = {
    // With its fingerprint the next step need not count the message again.
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

/** The update of a graph's state that a memory tool gives. */
export type MemoryToolUpdate = {
  messages: BaseMessage[];
  contextFacts: FactsUpdate;
  ltmVersion?: StoreVersion;
  memoryOwner?: string;
};

/** A call's work as a graph update. */
export function toUpdate({ answer, edit, parallel, facts, version, owner }: OperationDone): MemoryToolUpdate {
  const edited = !edit ? [] : parallel ? targetedUpdate(edit) : toMessagesUpdate(edit.messages);
  return {
    messages: [...edited, answer],
    contextFacts: facts,
    ...(version ? { ltmVersion: version } : {}),
    ...(owner === undefined ? {} : { memoryOwner: owner }),
  };
}
