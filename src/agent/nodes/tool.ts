/**
 * The tool node: runs the calls of one response one after the other on a working copy of the state.
 *
 * In order and never in parallel, because each call may change what the next one sees (a FILTER after a RETRIEVE).
 * Memory tools report store failures by throwing; the application's own tools run through LangGraph's `ToolNode`,
 * whose errors go back to the model.
 *
 * An own tool, or an operation that needs approval, has a graph step of its own. When it interrupts, the step is run again
 * from its start, and nothing before it may be done twice; when something after it fails, it may not be done twice itself.
 * Memory operations follow each other within one step: a call of theirs that runs again does nothing new.
 */
import { randomUUID } from "node:crypto";
import {
  type BaseMessage,
  type BaseMessageLike,
  coerceMessageLikeToMessage,
  ToolMessage,
} from "@langchain/core/messages";
import type { ToolCall } from "@langchain/core/messages/tool";
import {
  type BaseStore,
  isCommand,
  type LangGraphRunnableConfig,
  REMOVE_ALL_MESSAGES,
} from "@langchain/langgraph";
import { reduceFacts } from "../../context/budget.js";
import { toMessagesUpdate } from "../../context/edit.js";
import { isUserMessage, ORIGIN_KEY } from "../../context/messages.js";
import { shortHash } from "../../lib/hash.js";
import { ownerOf, runKeyOf } from "../../lib/run-owner.js";
import { contextOf, type ToolRunConfig } from "../../tools/operation-context.js";
import { isOutcome, type MemoryOpOutcome } from "../../types.js";
import { openCalls } from "../calls.js";
import type { AgentParts } from "../parts.js";
import { type AgentStateUpdate, type AgentStateValue, reduceMessages } from "../state.js";
import { addOutcome, deletionsOf, operationsOf, withCost } from "../usage.js";
import { memoryAskedAbout, type Reviewed, review } from "./approval.js";

/** Builds the node. */
export function toolNode(parts: AgentParts) {
  return async (state: AgentStateValue, config: LangGraphRunnableConfig): Promise<AgentStateUpdate> => {
    // A resumed run begins here, and an own tool has no check of its own.
    ownerOf(parts.kit.namespace, config, state.memoryOwner);
    const memory = await parts.memory(state.ltmVersion, config);
    let working: AgentStateValue = state;
    let { usage } = state;
    let rest: Record<string, unknown> = {};
    const written: BaseMessage[] = [];
    let alone = false;
    for (const [index, call] of openCalls(state.messages).entries()) {
      if (index > 0 && (alone || standsAlone(parts, call))) break;
      alone = standsAlone(parts, call);
      const update = await runCall(parts, call, working, { ...config, memory, seen: state.ltmVersion });
      const { messages = [], contextFacts = {}, ...others } = update;
      working = {
        ...working,
        ...others,
        messages: reduceMessages(working.messages, messages as BaseMessage[]),
        contextFacts: reduceFacts(working.contextFacts, contextFacts as AgentStateValue["contextFacts"]),
      } as AgentStateValue;
      rest = { ...rest, ...others };
      written.push(...(messages as BaseMessage[]));
      const outcome = outcomeOf((messages as BaseMessage[]).at(-1));
      if (!outcome) continue;
      usage = withCost(addOutcome(usage, outcome, parts.models.auxiliary), parts.prices);
      working = { ...working, usage };
    }
    const replaced = written.some((message) => message.id === REMOVE_ALL_MESSAGES);
    return {
      ...rest,
      ...(usage === state.usage ? {} : { usage }),
      messages: replaced ? toMessagesUpdate(working.messages) : written,
      contextFacts: changedFacts(state.contextFacts, working.contextFacts),
      afterTools: working.messages.at(-1)?.id ?? null,
    } as AgentStateUpdate;
  };
}

/** Own tools and calls that need approval may stop the run, and an own tool does what must not be done twice. */
function standsAlone(parts: AgentParts, call: ToolCall): boolean {
  return !parts.operations.has(call.name) || parts.approve.has(call.name);
}

/** One call; what it changes, as a graph update. */
async function runCall(
  parts: AgentParts,
  call: ToolCall,
  working: AgentStateValue,
  config: LangGraphRunnableConfig & { memory: BaseStore; seen: AgentStateValue["ltmVersion"] },
): Promise<Record<string, unknown>> {
  const operation = parts.operations.get(call.name);
  if (!operation) {
    const output: unknown = await parts.ownTools.invoke({ ...working, lg_tool_call: call }, config);
    const update = withFixedIds(answered(mergeOutputs(output), call), call, config);
    return { ...update, messages: update.messages.map((message) => fromTool(message, working.messages)) };
  }
  const counts = { operations: operationsOf(working.usage), deletions: deletionsOf(working.usage) };
  const own = { state: working, toolCallId: call.id ?? "", sequential: true, ...counts };
  const { call: allowed, ...said } = await reviewed(parts, call, { ...config, ...own });
  return parts.runMemory(operation, allowed, { ...config, ...said, ...own });
}

/** The call as a person allows it, where one must. */
async function reviewed(
  { approve, kit }: AgentParts,
  call: ToolCall,
  config: ToolRunConfig & { memory: BaseStore },
): Promise<Reviewed> {
  if (!approve.has(call.name)) return { call };
  const { namespace } = contextOf(kit, config);
  return review(call, await memoryAskedAbout(call, config.memory, namespace));
}

/** ToolNode answers with messages, or with one Command per tool that returned one. */
function mergeOutputs(output: unknown): Record<string, unknown> & { messages: BaseMessage[] } {
  const merged: Record<string, unknown> & { messages: BaseMessage[] } = { messages: [] };
  for (const part of Array.isArray(output) ? output : [output]) {
    const update = (isCommand(part) ? part.update : part) as Record<string, unknown> | undefined;
    const { messages, ...others } = update ?? {};
    const said = (Array.isArray(messages) ? messages : [messages ?? []].flat()) as BaseMessageLike[];
    merged.messages.push(...said.map((message) => coerceMessageLikeToMessage(message)));
    Object.assign(merged, others);
  }
  return merged;
}

/** What a tool says in the user's role is marked: the newest message of the user is another one, which edits must keep. */
function fromTool(message: BaseMessage, known: readonly BaseMessage[]): BaseMessage {
  if (!isUserMessage(message) || known.some(({ id }) => id !== undefined && id === message.id))
    return message;
  const additional_kwargs = { ...message.additional_kwargs, [ORIGIN_KEY]: "tool" };
  const copy = Object.create(Object.getPrototypeOf(message)) as BaseMessage;
  return Object.assign(copy, message, { additional_kwargs, id: message.id ?? randomUUID() });
}

/** A tool that answers with a Command alone still leaves a history in which each call has its answer. */
function answered(update: ReturnType<typeof mergeOutputs>, call: ToolCall): ReturnType<typeof mergeOutputs> {
  const isAnswer = (message: BaseMessage) =>
    ToolMessage.isInstance(message) && message.tool_call_id === call.id;
  if (update.messages.some(isAnswer)) return update;
  const answer = new ToolMessage({ name: call.name, content: "Done.", tool_call_id: call.id ?? "" });
  return { ...update, messages: [...update.messages, answer] };
}

/** Seeded rollouts must repeat to the id: what a call of an unknown tool is told would get a random one. */
function withFixedIds(
  update: ReturnType<typeof mergeOutputs>,
  call: ToolCall,
  config: LangGraphRunnableConfig,
): ReturnType<typeof mergeOutputs> {
  const runKey = runKeyOf(config.configurable);
  if (!runKey) return update;
  for (const [i, message] of update.messages.entries()) {
    message.id ??= `t${shortHash(`${runKey}/${config.metadata?.langgraph_step ?? ""}/${call.id}/${i}`, 12)}`;
  }
  return update;
}

/** An answer comes last: an edit's list of the whole context, with older answers, stands before it. */
function outcomeOf(answer: BaseMessage | undefined): MemoryOpOutcome | undefined {
  return answer && ToolMessage.isInstance(answer) && isOutcome(answer.artifact) ? answer.artifact : undefined;
}

function changedFacts(
  before: AgentStateValue["contextFacts"],
  after: AgentStateValue["contextFacts"],
): Record<string, AgentStateValue["contextFacts"][string] | null> {
  const changed: ReturnType<typeof changedFacts> = {};
  if (before === after) return changed;
  for (const [id, fact] of Object.entries(after)) if (before[id] !== fact) changed[id] = fact;
  for (const id of Object.keys(before)) if (!(id in after)) changed[id] = null;
  return changed;
}
