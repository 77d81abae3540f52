/**
 * Runs one memory operation: checks the arguments, turns refusals into answers, measures the outcome.
 *
 * Owns the line between the model's mistake (answered, so that it can act on it) and a failure of store, embedder or
 * disk (thrown). Leaves out LangChain's tool interface (`memory-tools.ts`).
 */
import { countMessages, type FactsUpdate, reduceFacts } from "../context/budget.js";
import type { AppliedEdit } from "../context/edit.js";
import { AgeMemError, InputError } from "../errors.js";
import { isVersionedStore, type MemoryOp, type MemoryOpOutcome, type MessageFacts } from "../types.js";
import { countsIn, type OperationCounts } from "./limits.js";
import { inTurn } from "./operations/in-turn.js";
import { addMemory, deleteMemory, updateMemory } from "./operations/long-term.js";
import { filterContext, retrieveMemory, spentOn, summarizeContext } from "./operations/short-term.js";
import { OPERATION_SCHEMAS } from "./schemas.js";
import type { MemoryToolkit, OperationContext, OperationEffect } from "./toolkit.js";

/** The result of an operation. */
export interface OperationReport {
  /** The answer to the model. */
  text: string;
  outcome: MemoryOpOutcome;
  /** New facts to merge; null removes one. */
  facts: FactsUpdate;
  /** Memories shown in the answer, for the fact of the answer's message. */
  shown: Record<string, number>;
  /** Set when the operation edited the context. */
  edit?: AppliedEdit;
}

/**
 * Checks the arguments and runs the operation.
 *
 * An {@link InputError} becomes `outcome.ok = false` and a text that tells the model what to do; any other error is
 * thrown.
 */
export async function runOperation(
  kit: MemoryToolkit,
  op: MemoryOp,
  args: unknown,
  context: OperationContext,
): Promise<OperationReport> {
  const started = Date.now();
  const revisionBefore = revisionOf(kit);
  const before = usageOf(kit, context, context.facts);
  let result: OperationEffect | undefined;
  let refusal: InputError | undefined;
  try {
    result = await dispatch(kit, op, args, context);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    refusal = error;
  }
  const facts: FactsUpdate = { ...before.update, ...result?.edit?.facts };
  const edited = result?.edit && { ...context, messages: result.edit.messages };
  const after = edited ? usageOf(kit, edited, reduceFacts(context.facts, facts)) : before;
  const removed = removedBy(result?.edit, context);
  const outcome: MemoryOpOutcome = {
    kind: "agemem.op/1",
    op,
    toolCallId: context.toolCallId,
    ok: !refusal,
    ...(refusal ? { error: { code: refusal.code, message: refusal.message } } : {}),
    memoryIds: result?.memoryIds ?? [],
    ...(result?.searchMode ? { searchMode: result.searchMode } : {}),
    namespace: context.namespace,
    revisionBefore,
    revisionAfter: revisionOf(kit),
    tokensBefore: before.tokens,
    tokensAfter: after.tokens,
    ...(result?.edit
      ? {
          editId: result.edit.report.editId,
          messageIds: [...result.edit.report.removedIds, ...result.edit.report.changedIds],
        }
      : {}),
    ...(removed.operations > 0 ? { operationsRemoved: removed.operations } : {}),
    ...(removed.deletions > 0 ? { deletionsRemoved: removed.deletions } : {}),
    ...(result?.auxiliary ? { auxiliary: result.auxiliary } : refusal ? spentOn(refusal) : {}),
    latencyMs: Date.now() - started,
  };
  return {
    text: result?.text ?? refusalText(refusal as InputError),
    outcome,
    // Facts counted here may concern messages that a concurrent edit has removed, so only an edit's own are kept.
    facts: context.parallel && !result?.edit ? {} : facts,
    shown: result?.shown ?? (refusal?.details.shown as Record<string, number> | undefined) ?? {},
    ...(result?.edit ? { edit: result.edit } : {}),
  };
}

/** Operations whose answers an edit removed from the context. */
function removedBy(edit: AppliedEdit | undefined, context: OperationContext): OperationCounts {
  if (!edit) return { operations: 0, deletions: 0 };
  const [all, left] = [countsIn(context.messages), countsIn(edit.messages)];
  return { operations: all.operations - left.operations, deletions: all.deletions - left.deletions };
}

/** The answer to a refused call: what is wrong, and the remedy. */
function refusalText(error: InputError): string {
  return `Error: ${error.toLine()}`;
}

function isRefusal(error: unknown): error is InputError {
  return AgeMemError.isInstance(error) && error.name === InputError.name;
}

async function dispatch(
  kit: MemoryToolkit,
  op: MemoryOp,
  args: unknown,
  context: OperationContext,
): Promise<OperationEffect> {
  if (context.refusal) throw context.refusal;
  const write = (work: () => Promise<OperationEffect>) => inTurn(kit.store, context.namespace, work);
  switch (op) {
    case "ADD":
      return write(() => addMemory(kit, parse("ADD", args), context));
    case "UPDATE":
      return write(() => updateMemory(kit, parse("UPDATE", args), context));
    case "DELETE":
      return write(() => deleteMemory(kit, parse("DELETE", args), context));
    case "RETRIEVE":
      return retrieveMemory(kit, parse("RETRIEVE", args), context);
    case "SUMMARY":
      return summarizeContext(kit, parse("SUMMARY", args), context);
    case "FILTER":
      return filterContext(kit, parse("FILTER", args), context);
  }
}

type Arguments<Op extends MemoryOp> = (typeof OPERATION_SCHEMAS)[Op]["_output"];

function parse<Op extends MemoryOp>(op: Op, args: unknown): Arguments<Op> {
  const parsed = OPERATION_SCHEMAS[op].safeParse(args);
  if (parsed.success) return parsed.data as Arguments<Op>;
  const problems = parsed.error.issues.map(
    (issue) => `${issue.path.join(".") || "arguments"}: ${issue.message}`,
  );
  throw new InputError("AGEMEM_INPUT_ARGUMENT", `Wrong arguments (${problems.join("; ")})`, {
    remedy: "Repeat the call with the arguments of the schema.",
  });
}

function revisionOf(kit: MemoryToolkit): number | null {
  return isVersionedStore(kit.store) ? kit.store.version().revision : null;
}

function usageOf(kit: MemoryToolkit, context: OperationContext, facts: MessageFacts) {
  // Outside a graph messages have no ids; operations on long-term memory still work there.
  if (context.messages.some((message) => !message.id)) return { tokens: context.overheadTokens, update: {} };
  const counted = countMessages(context.messages, facts, kit.counter);
  return { tokens: counted.total + context.overheadTokens, update: counted.update };
}
