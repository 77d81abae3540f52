/**
 * The tool node: runs the calls of a response in order on a working copy of the state.
 *
 * Owns the order. Calls never run in parallel, because each may change what the next one sees (a FILTER after a
 * RETRIEVE). Memory operations are called directly and throw what store, embedder or disk throw; the application's own
 * tools run through `own-tool.ts`.
 *
 * An own tool, or a call that needs approval, gets a graph step to itself. LangGraph runs an interrupted or failed step
 * again from its start, and neither this call nor those before it may be done twice. Memory operations share a step,
 * because repeating one does nothing new.
 */
import { type BaseMessage, ToolMessage } from "@langchain/core/messages";
import type { ToolCall } from "@langchain/core/messages/tool";
import type { BaseStore, LangGraphRunnableConfig } from "@langchain/langgraph";
import { type FactsUpdate, reduceFacts } from "../../context/budget.js";
import { replacesAll, toMessagesUpdate } from "../../context/edit.js";
import { ownerOf } from "../../lib/run-owner.js";
import type { PersonDecision } from "../../tools/operation-call.js";
import { embedAhead, syncTogether } from "../../tools/operations/ahead.js";
import type { MemoryOperation } from "../../tools/operations.js";
import type { MemoryOp, MemoryOpOutcome } from "../../types.js";
import { openCalls } from "../calls.js";
import type { AgentParts } from "../parts.js";
import { type AgentStateUpdate, type AgentStateValue, reduceMessages } from "../state.js";
import { addOutcome, deletionsOf, operationsOf, withCost } from "../usage.js";
import { memoryAskedAbout, review } from "./approval.js";
import { runOwnTool, type ToolUpdate } from "./own-tool.js";

/** What all calls of a step share. */
interface ToolStep {
  config: LangGraphRunnableConfig;
  /** Long-term memory of the step. */
  store: BaseStore;
  /** Its version before the first call. */
  seen: AgentStateValue["ltmVersion"];
}

/** The changes of one call. */
interface Ran extends ToolUpdate {
  contextFacts?: FactsUpdate;
  /** The whole new context, if the call edited it. */
  list?: BaseMessage[];
  outcome?: MemoryOpOutcome;
}

/** Builds the node. */
export function toolNode(parts: AgentParts) {
  return async (state: AgentStateValue, config: LangGraphRunnableConfig): Promise<AgentStateUpdate> => {
    // A resumed run starts here, and own tools have no check of their own.
    ownerOf(parts.kit.namespace, config, state.memoryOwner);
    const store = await parts.memory(state.ltmVersion, config);
    const step: ToolStep = { config, store, seen: state.ltmVersion };
    const calls = openCalls(state.messages);
    const shared = sharedStep(parts, calls);
    await embedAhead(store, parts.kit.limits, shared);
    return syncTogether(store, shared, () => runStep(parts, state, calls, step));
  };
}

/** Runs the calls of a graph step: one that stands alone, or those up to the next such call. */
async function runStep(
  parts: AgentParts,
  state: AgentStateValue,
  calls: readonly ToolCall[],
  step: ToolStep,
): Promise<AgentStateUpdate> {
  let working: AgentStateValue = state;
  let rest: Record<string, unknown> = {};
  const written: BaseMessage[] = [];
  let replaced = false;
  let alone = false;
  for (const [index, call] of calls.entries()) {
    if (index > 0 && (alone || standsAlone(parts, call))) break;
    alone = standsAlone(parts, call);
    const {
      messages,
      contextFacts = {},
      list,
      outcome,
      ...others
    } = await runCall(parts, call, working, step);
    replaced ||= list !== undefined || replacesAll(messages);
    written.push(...messages);
    rest = { ...rest, ...others };
    working = {
      ...working,
      ...others,
      messages: reduceMessages(list ?? working.messages, messages),
      contextFacts: reduceFacts(working.contextFacts, contextFacts),
      ...(outcome ? { usage: usageWith(parts, working, outcome) } : {}),
    };
  }
  return {
    ...rest,
    ...(working.usage === state.usage ? {} : { usage: working.usage }),
    messages: replaced ? toMessagesUpdate(working.messages) : written,
    contextFacts: changedFacts(state.contextFacts, working.contextFacts),
    afterTools: working.messages.at(-1)?.id ?? null,
  } as AgentStateUpdate;
}

function usageWith({ models, prices }: AgentParts, { usage }: AgentStateValue, outcome: MemoryOpOutcome) {
  return withCost(addOutcome(usage, outcome, models.auxiliary), prices);
}

/** The memory operations at the start of some calls that share a step. */
function sharedStep(parts: AgentParts, calls: readonly ToolCall[]): { op: MemoryOp; args: unknown }[] {
  const end = calls.findIndex((call) => standsAlone(parts, call));
  return calls.slice(0, end === -1 ? calls.length : end).flatMap(({ name, args }) => {
    const op = parts.operations.get(name)?.op;
    return op ? [{ op, args }] : [];
  });
}

/** Own tools and calls that need approval may interrupt the run, and own tools may have side effects. */
function standsAlone(parts: AgentParts, call: ToolCall): boolean {
  const operation = parts.operations.get(call.name);
  return !operation || parts.interruptOn.has(operation.name);
}

async function runCall(
  parts: AgentParts,
  call: ToolCall,
  working: AgentStateValue,
  step: ToolStep,
): Promise<Ran> {
  const operation = parts.operations.get(call.name);
  const asked = parts.interruptOn.get(operation?.name ?? call.name);
  if (!asked)
    return operation ? runMemory(parts, operation, call, working, step) : runOwn(parts, call, working, step);
  const memory = operation ? await describedMemory(parts, call, working, step) : "";
  const { call: allowed, decision } = review(call, memory, asked);
  if (operation) return runMemory(parts, operation, allowed, working, step, decision);
  return decision?.kind === "rejected" ? refused(call, decision) : runOwn(parts, allowed, working, step);
}

async function runMemory(
  parts: AgentParts,
  operation: MemoryOperation,
  call: ToolCall,
  working: AgentStateValue,
  { config, store, seen }: ToolStep,
  decision?: PersonDecision,
): Promise<Ran> {
  const counts = { operations: operationsOf(working.usage), deletions: deletionsOf(working.usage) };
  const inOrder = { store, seen, counts, decision };
  const { answer, edit, facts, outcome, version, owner } = await parts.run(operation, {
    id: call.id ?? "",
    args: call.args,
    state: working,
    config,
    inOrder,
  });
  return {
    messages: [answer],
    contextFacts: facts,
    ...(edit ? { list: edit.messages } : {}),
    ...(version ? { ltmVersion: version } : {}),
    ...(owner === undefined ? {} : { memoryOwner: owner }),
    outcome,
  };
}

/** Runs an own tool. Its messages may replace the whole context; `replacesAll` recognizes that. */
function runOwn(parts: AgentParts, call: ToolCall, working: AgentStateValue, step: ToolStep): Promise<Ran> {
  return runOwnTool(parts.ownTools, call, working, step.config);
}

function refused(call: ToolCall, { reason }: Extract<PersonDecision, { kind: "rejected" }>): Ran {
  const answer = new ToolMessage({
    id: `${call.id}-refused`,
    name: call.name,
    content: `The user refused this call${reason && `: ${reason}`}. Do not repeat it.`,
    status: "error",
    tool_call_id: call.id ?? "",
  });
  return { messages: [answer] };
}

/** Describes to a person the memory that a call is about. */
function describedMemory(
  { kit }: AgentParts,
  call: ToolCall,
  working: AgentStateValue,
  step: ToolStep,
): Promise<string> {
  const { namespace } = ownerOf(kit.namespace, step.config, working.memoryOwner);
  return memoryAskedAbout(call, step.store, namespace);
}

function changedFacts(
  before: AgentStateValue["contextFacts"],
  after: AgentStateValue["contextFacts"],
): FactsUpdate {
  const changed: FactsUpdate = {};
  if (before === after) return changed;
  for (const [id, fact] of Object.entries(after)) if (before[id] !== fact) changed[id] = fact;
  for (const id of Object.keys(before)) if (!(id in after)) changed[id] = null;
  return changed;
}
