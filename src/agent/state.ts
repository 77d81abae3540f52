/**
 * The graph's state: the context, the facts about its messages, and the version of long-term memory it has seen.
 *
 * Owns the channels and their reducers, all of them idempotent, because middleware and replays apply an update more
 * than once.
 */
import { BaseMessage, RemoveMessage } from "@langchain/core/messages";
import { MessagesValue, messagesStateReducer, ReducedValue, StateSchema } from "@langchain/langgraph";
import { z } from "zod";
import { reduceFacts } from "../context/budget.js";
import type { MessageFact, MessageFacts, StoreVersion } from "../types.js";
import { type AgentUsage, noUsage } from "./usage.js";

const version = z.object({ branch: z.string(), revision: z.number() }).nullable();

/** Reducer of the version: concurrent calls each report the one they saw, and on the same branch the newest counts. */
export function newer(current: StoreVersion | null, update: StoreVersion | null): StoreVersion | null {
  if (!current || !update || current.branch !== update.branch) return update ?? current;
  return update.revision >= current.revision ? update : current;
}

/**
 * Does what `messagesStateReducer` does, but faster in the usual case: messages that are only appended need no pass that
 * merges and copies all of them.
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
 * How an invocation ended. "running" is what `getState`, a stream of values, or an interrupted `invoke` shows of one that
 * has not ended: it waits for approval, has failed and can be resumed, or is still under way.
 */
export type AgentStatus = "running" | "answered" | "max_steps" | "format_error";

/**
 * What the memory tools keep in any graph's state: facts about the messages, and the version of long-term memory.
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
  /** The version of long-term memory this state has seen; null for stores without versions. */
  ltmVersion: new ReducedValue(version.default(null), {
    inputSchema: version.default(null),
    reducer: (current: StoreVersion | null, update: StoreVersion | null) => newer(current, update),
  }),
  /** Tokens of the system prompt and tool schemas, which the tools include in their counts. */
  contextOverhead: z.number().default(0),
  /** The user of the thread's first run. Later writes do not change it. */
  memoryOwner: new ReducedValue(owner.default(null), {
    inputSchema: owner.default(null),
    reducer: (current: string | null, update: string | null) => current ?? update,
  }),
};

/** The state that `ageMemMiddleware` adds to an agent's messages. */
export const MemoryState = new StateSchema(memory);

/** The state of the ready-made agent. */
export const AgentState = new StateSchema({
  /** The context, without the system prompt. */
  messages: MessagesValue,
  ...memory,
  /** Tokens of the whole prompt of the last model call. */
  contextTokens: z.number().default(0),
  /** Model calls of this invocation; a resumed run continues the count. */
  steps: z.number().default(0),
  /** Id of the newest message when tools last ran; if a message follows it, another invocation has begun. */
  afterTools: z.string().nullable().default(null),
  /** Responses of this thread that broke the protocol. */
  formatErrors: z.number().default(0),
  /** How often the context of this thread exceeded its limit, whether or not it was summarized. */
  overflows: z.number().default(0),
  status: z.enum(["running", "answered", "max_steps", "format_error"]).default("running"),
  /** Calls, tokens, time and cost of the last invocation. */
  usage: z.custom<AgentUsage>().default(noUsage),
  /** The answer in the form of `responseFormat`; null without that option or without an answer. */
  structuredResponse: z.record(z.string(), z.unknown()).nullable().default(null),
  /** Why `structuredResponse` is null despite an answer: the model failed, or its output does not fit the schema. */
  structuredError: z.object({ code: z.string(), message: z.string() }).nullable().default(null),
  /** Text of the final answer of the last invocation. */
  finalAnswer: z.string().nullable().default(null),
});

export type AgentStateValue = typeof AgentState.State;
export type AgentStateUpdate = typeof AgentState.Update;

/** The schema's defaults, for runs without a graph. */
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
