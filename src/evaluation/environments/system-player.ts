/**
 * An agent without memory operations beside a memory that is compared with agemem: it is shown what happens, and what it recalls for
 * the newest observation is shown with each call (RAG at every step).
 *
 * Owns the transcript that the memory sees. Leaves out the memories (`systems/`).
 */
import { InMemoryStore } from "@langchain/langgraph";
import { addCalls, NO_CALLS } from "../../lib/call-usage.js";
import type { CallUsage, TokenCounter } from "../../types.js";
import {
  combineUsage,
  type MemorySystem,
  NO_USAGE,
  type ObservedMessage,
  type SystemUsage,
} from "../systems/memory-system.js";
import { recalledBlock } from "../systems/recalled-block.js";
import { agentActor, outcomeText, type ShownMemories } from "./actors/agent.js";
import type { Actor, EpisodeView } from "./episode.js";
import type { PlayedEpisode, Player, PlayerAgent } from "./players.js";

/** Options of {@link systemPlayer}. */
export interface SystemPlayerOptions {
  agent: PlayerAgent;
  open(): Promise<MemorySystem>;
  user: string;
  /** Memories shown with each call. */
  k: number;
  /**
   * Whether the memory is shown an episode only after its end: for one that recalls everything, which would repeat what the agent's
   * own context holds. Default false.
   */
  afterwards?: boolean;
  counter: TokenCounter;
}

/** A memory that is continued is shown the recorded episodes again. */
export function systemPlayer(options: SystemPlayerOptions): Player {
  let memory: MemorySystem | undefined;
  return {
    async begin(found) {
      memory = await options.open();
      await memory.reset({ user: options.user });
      for (const episode of found) await memory.observe(transcript(episode));
    },
    actor: (runKey) => systemActor(options, memory as MemorySystem, runKey),
    standing: () => null,
    async end() {
      await memory?.close();
      memory = undefined;
    },
  };
}

function transcript({ start, steps, ended }: PlayedEpisode): ObservedMessage[] {
  const told = [...(start === null ? [] : [seen(start)]), ...steps.flatMap(taken)];
  return ended === "error" ? told : [...told, seen(outcomeText(ended === "won"))];
}

const seen = (content: string): ObservedMessage => ({ role: "user", content });
const taken = ({ action, observation }: { action: string; observation: string }): ObservedMessage[] => [
  { role: "assistant", content: `Action: ${action}` },
  seen(observation),
];

function systemActor(
  { agent, k, afterwards = false, counter }: SystemPlayerOptions,
  memory: MemorySystem,
  runKey: string,
): Actor {
  let spent: SystemUsage = NO_USAGE;
  const recall = async (observation: string): Promise<ShownMemories | undefined> => {
    const { memories, usage } = await memory.recall(observation, { k });
    spent = combineUsage(spent, usage);
    if (memories.length === 0) return undefined;
    return { memories: memories.map(({ text }) => text), block: recalledBlock(memories) };
  };
  const inner = agentActor({
    ...agent,
    counter,
    runKey,
    operations: [],
    store: new InMemoryStore(),
    recall,
  });
  let fresh: ObservedMessage[] = [];
  let watched: EpisodeView | undefined;
  const observe = async (): Promise<void> => {
    const told = fresh;
    fresh = [];
    if (told.length > 0) spent = combineUsage(spent, await memory.observe(told));
  };
  return {
    turn: async (view) => {
      if (!watched) {
        watched = watching(view, (step) => fresh.push(...taken(step)));
        fresh = [seen(view.state.observation)];
      }
      if (!afterwards) await observe();
      return inner.turn(watched);
    },
    finish: async ({ state }) => {
      fresh.push(seen(outcomeText(state.won)));
      await observe();
    },
    cost: () => {
      const own = inner.cost?.();
      const beside: CallUsage = {
        ...NO_CALLS,
        calls: spent.calls,
        promptTokens: spent.promptTokens,
        completionTokens: spent.responseTokens,
      };
      const { policy = NO_CALLS, auxiliary = NO_CALLS, ...rest } = own ?? { operations: {}, formatErrors: 0 };
      return { ...rest, policy, auxiliary: addCalls(auxiliary, beside) };
    },
  };
}

/** The view of an episode that tells of each action. */
function watching(
  view: EpisodeView,
  tell: (step: { action: string; observation: string }) => void,
): EpisodeView {
  return {
    task: view.task,
    environment: view.environment,
    signal: view.signal,
    get state() {
      return view.state;
    },
    get stepsLeft() {
      return view.stepsLeft;
    },
    async act(action) {
      const observation = await view.act(action);
      tell({ action, observation });
      return observation;
    },
  };
}
