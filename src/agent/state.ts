/**
 * The graph's state: the context with what is known about its messages, and where long-term memory stood.
 *
 * Every reducer is idempotent, because middleware and replays apply updates more than once.
 */
import { BaseMessage, RemoveMessage } from "@langchain/core/messages";
import { MessagesValue, messagesStateReducer, ReducedValue, StateSchema } from "@langchain/langgraph";
import { z } from "zod";
import { reduceFacts } from "../context/budget.js";
import type { MessageFact, MessageFacts, StoreVersion } from "../types.js";
import { type AgentUsage, noUsage } from "./usage.js";

const version = z.object({ branch: z.string(), revision: z.number() }).nullable();

/** Calls that run at the same time each tell what they saw; on one branch the newest counts. */
export function newer(current: StoreVersion | null, update: StoreVersion | null): StoreVersion | null {
  if (!current || !update || current.branch !== update.branch) return update ?? current;
  return update.revision >= current.revision ? update : current;
}

/**
 * What `messagesStateReducer` does, for a state that it made. Messages that only come after the others, which is nearly
 * always so, are put there without a pass over all of them.
 */
export function reduceMessages(current: BaseMessage[], update: BaseMessage[]): BaseMessage[] {
  const ids = new Set<string | undefined>();
  for (const message of update) {
    const plain = BaseMessage.isInstance(message) && !RemoveMessage.isInstance(message) && message.id != null;
    if (!plain || ids.has(message.id)) return messagesStateReducer(current, update);
    ids.add(message.id);
  }
  return current.some(({ id }) => ids.has(id))
    ? messagesStateReducer(current, update)
    : [...current, ...update];
}

const owner = z.string().nullable();
const fact = z.custom<MessageFact>((value) => typeof value === "object" && value !== null);

/**
 * How an invocation ended. "running" is what `getState`, a stream of values, or an interrupted `invoke` shows of one
 * that has not: it waits for approval, failed on its way and can be taken up again, or is under way.
 */
export type AgentStatus = "running" | "answered" | "max_steps" | "format_error";

/**
 * What is known about the messages, and the long-term memory that was seen: what the memory tools keep in any graph's
 * state.
 */
const memory = {
  /** Token count, origin and lineage per message id. */
  contextFacts: new ReducedValue(
    z.record(z.string(), fact).default(() => ({})),
    {
      inputSchema: z.record(z.string(), fact.nullable()).default(() => ({})),
      reducer: (current: MessageFacts, update: Record<string, MessageFact | null>) =>
        reduceFacts(current, update),
    },
  ),
  /** The long-term memory this state has seen; null for stores without versions. */
  ltmVersion: new ReducedValue(version.default(null), {
    inputSchema: version.default(null),
    reducer: (current: StoreVersion | null, update: StoreVersion | null) => newer(current, update),
  }),
  /** Tokens of system prompt and tool schemas: the tools count them too. */
  contextOverhead: z.number().default(0),
  /** Whose thread it is, from its first run on; nothing that is written later changes it. */
  memoryOwner: new ReducedValue(owner.default(null), {
    inputSchema: owner.default(null),
    reducer: (current: string | null, update: string | null) => current ?? update,
  }),
};

/** The state that `ageMemMiddleware` adds to an agent's messages. */
export const MemoryState = new StateSchema(memory);

export const AgentState = new StateSchema({
  /** The context, without the system prompt. */
  messages: MessagesValue,
  ...memory,
  /** Tokens of the whole prompt of the last model call. */
  contextTokens: z.number().default(0),
  /** Model calls of this invocation; counted on by a run that is taken up again. */
  steps: z.number().default(0),
  /** Id of the newest message when tools last ran; what stands after it is the input of another invocation. */
  afterTools: z.string().nullable().default(null),
  /** Responses of this thread that broke the protocol. */
  formatErrors: z.number().default(0),
  /** Emergency summaries of this thread: the context had overflowed. */
  overflows: z.number().default(0),
  status: z.enum(["running", "answered", "max_steps", "format_error"]).default("running"),
  /** What the last invocation cost. */
  usage: z.custom<AgentUsage>().default(noUsage),
  /** The answer in the form of `responseFormat`; null without one, or without an answer. */
  structuredResponse: z.record(z.string(), z.unknown()).nullable().default(null),
  /** Why `structuredResponse` is null although there is an answer: the model failed, or what it gave does not fit. */
  structuredError: z.object({ code: z.string(), message: z.string() }).nullable().default(null),
  /** Text of the final answer of the last invocation. */
  finalAnswer: z.string().nullable().default(null),
});

export type AgentStateValue = typeof AgentState.State;
export type AgentStateUpdate = typeof AgentState.Update;

/** A state that nothing was written to: the schema's defaults, for runs without a graph. */
export function initialState(): AgentStateValue {
  return {
    messages: [],
    contextFacts: {},
    ltmVersion: null,
    memoryOwner: null,
    contextOverhead: 0,
    contextTokens: 0,
    steps: 0,
    afterTools: null,
    formatErrors: 0,
    overflows: 0,
    status: "running",
    usage: noUsage(),
    structuredResponse: null,
    structuredError: null,
    finalAnswer: null,
  };
}
