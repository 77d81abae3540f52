/** A user talking to the ready-made agent on a scripted model. */
import { type BaseMessage, HumanMessage, ToolMessage } from "@langchain/core/messages";
import { type AgeMemAgent, createAgeMemAgent } from "../../src/agent/agent.js";
import type { AgeMemAgentOptions } from "../../src/agent/options.js";
import { LexicalEmbeddings } from "../../src/models/lexical-embeddings.js";
import { FaissStore } from "../../src/store/faiss-store.js";
import {
  ScriptedChatModel,
  type ScriptedReply,
  type ScriptedStep,
} from "../../src/testing/scripted-model.js";
import { isOutcome, type MemoryOpOutcome } from "../../src/types.js";

export function openStore(): Promise<FaissStore> {
  return FaissStore.open(":memory:", {
    index: { embeddings: new LexicalEmbeddings(), embeddingName: "lexical", fields: ["content"] },
  });
}

/** An agent that follows a script, and its model. */
export function scripted(
  steps: readonly ScriptedStep[],
  options: Omit<AgeMemAgentOptions, "model">,
): { agent: AgeMemAgent; model: ScriptedChatModel } {
  const model = new ScriptedChatModel(steps);
  return { agent: createAgeMemAgent({ ...options, model }), model };
}

/** A response with these calls. */
export function calls(...list: [string, Record<string, unknown>][]): ScriptedReply {
  return { tool_calls: list.map(([name, args]) => ({ name, args })) };
}

export const ada = (thread?: string, extra: Record<string, unknown> = {}) => ({
  context: { user_id: "ada" },
  configurable: { ...(thread ? { thread_id: thread } : {}), ...extra },
});

export const says = (...texts: string[]) => ({ messages: texts.map((text) => new HumanMessage(text)) });

export function outcomesOf(messages: readonly BaseMessage[]): MemoryOpOutcome[] {
  return messages.flatMap((m) => (ToolMessage.isInstance(m) && isOutcome(m.artifact) ? [m.artifact] : []));
}

export const contents = async (store: FaissStore, user = "ada"): Promise<unknown[]> =>
  (await store.search(["memories", user], { limit: 100 })).map((item) => item.value.content);
