/** Tasks, stores and policies for the tests of the rollouts: everything in memory, nothing random. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { BaseMessage } from "@langchain/core/messages";
import { LexicalEmbeddings } from "../../src/models/lexical-embeddings.js";
import { createOfflineJudge } from "../../src/rewards/judges/offline.js";
import type { RolloutOptions } from "../../src/rollout/options.js";
import { FaissStore } from "../../src/store/faiss-store.js";
import {
  ScriptedChatModel,
  type ScriptedReply,
  type ScriptedResponder,
} from "../../src/testing/scripted-model.js";
import type { MemoryTask } from "../../src/types.js";

/** The shared rows, which are not part of the repository. */
const DATA = fileURLToPath(new URL("../../../shared/data/hotpotqa_train_100.json", import.meta.url));
export const HOTPOTQA = existsSync(DATA) ? DATA : undefined;

/** A task about a person of its own; `i` tells tasks apart. */
export function personTask(i = 0): MemoryTask {
  const name = ["Nora Lind", "Ivo Marques", "Selma Oduya", "Tarek Haddad"][i % 4] as string;
  const city = ["Porto", "Gdansk", "Tartu", "Izmir"][i % 4] as string;
  const first = name.split(" ")[0];
  return {
    id: `person-${i}`,
    question: `In which city does ${name} work?`,
    answer: city,
    context: [
      { title: name, text: `${name} is a translator. ${first} works in ${city} for Casa Azul.` },
      { title: "Casa Azul", text: `Casa Azul publishes maps number ${i}. It was founded in 1987.` },
    ],
    distractors: [
      { title: "Fortified wine", text: `Fortified wine number ${i} is made in a valley. It is sweet.` },
      { title: "Translation", text: `Translation carries meaning number ${i} between languages.` },
      { title: "Maps", text: `A map shows land and water number ${i}.` },
    ],
    goldFacts: [`${first} works in ${city} for Casa Azul.`],
    metadata: {},
  };
}

export async function memoryStore(): Promise<FaissStore> {
  return FaissStore.open(":memory:", { index: { embeddings: new LexicalEmbeddings(), fields: ["content"] } });
}

/** A policy that never runs out of words: one answer of `respond` per call. */
export function respondingModel(respond: ScriptedResponder): ScriptedChatModel {
  return new ScriptedChatModel(new Array(60).fill(respond));
}

export const call = (name: string, args: Record<string, unknown>): ScriptedReply => ({
  tool_calls: [{ name, args }],
});

/** The newest user message of a prompt. */
export function newestUser(messages: readonly BaseMessage[]): string {
  return messages.findLast((message) => message.type === "human")?.text ?? "";
}

/** Stores each passage, filters nothing, answers the question from what it retrieves. */
export const diligent: ScriptedResponder = (messages) => {
  const last = messages.at(-1);
  const told = newestUser(messages);
  if (told.endsWith("?")) {
    if (last?.type !== "tool") return call("Retrieve_memory", { query: told });
    return /works in (\w+)/.exec(last.text)?.[1] ?? "unknown";
  }
  const passage = told.split("\n\n")[0] as string;
  return call("Add_memory", { content: passage });
};

/** Options for runs in memory; every rollout gets a model of its own. */
export function optionsFor(store: FaissStore, respond: ScriptedResponder = diligent): RolloutOptions {
  return {
    policy: () => respondingModel(respond),
    store,
    judge: createOfflineJudge(),
    k: 2,
    concurrency: 4,
  };
}
