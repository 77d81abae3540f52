/**
 * The agent in an environment: `createAgeMemAgent` with an `act` tool beside the six memory operations.
 *
 * One invocation per model call, as in the stages of a rollout, so that an episode ends with its last action. The task
 * is in the system prompt. A final answer is treated as an action, because models without tool calling say what they
 * do. The caller chooses the store: one per episode, or one for a suite, so that lessons help in later tasks.
 */
import type { BaseCallbackHandler } from "@langchain/core/callbacks/base";
import { type BaseMessage, HumanMessage } from "@langchain/core/messages";
import { createAgeMemAgent } from "../../../agent/agent.js";
import type { AgeMemAgentOptions } from "../../../agent/options.js";
import { tokenCounter } from "../../../models/tokens.js";
import type { MessageFacts } from "../../../types.js";
import type { Actor, EpisodeView } from "../episode.js";
import { actionIn, createActTool, instructionsFor } from "./act-tool.js";
import { CostMeter } from "./cost.js";

/** Memories to show beside the context for one call, as texts and as the block that shows them. */
export interface ShownMemories {
  memories: readonly string[];
  block: string;
}

/** Options of {@link agentActor}: the agent's, without those that the episode sets. */
export interface AgentActorOptions
  extends Omit<AgeMemAgentOptions, "tools" | "maxSteps" | "onMaxSteps" | "responseFormat" | "checkpointer"> {
  /** User id, under which long-term memory is kept. Default "player". */
  user?: string;
  /** Callback handlers and metadata of every invocation, such as a recorder and a rollout's ids. */
  run?: { callbacks?: BaseCallbackHandler[]; metadata?: Record<string, unknown> };
  /** What to show beside the context for one call, such as what a compared memory recalls; undefined for nothing. */
  recall?: (observation: string) => Promise<ShownMemories | undefined>;
  /** Gives the agent one more call after the end, in which it is told the outcome and can store what it learned. Default false. */
  lessons?: boolean;
  /** Derives the episode's ids from this key, so that they are reproducible. Default: random ids. */
  runKey?: string;
}

/** What a player is told after the last action. */
export function outcomeText(won: boolean): string {
  return `The episode is over. The task is ${won ? "solved" : "not solved"}.`;
}

/**
 * @example
 * const actor = agentActor({ model, store, budget: { maxTokens: 8192 } });
 * const result = await playEpisode({ environment, task, actor });
 */
export function agentActor({
  user = "player",
  run = {},
  runKey,
  recall,
  lessons = false,
  ...options
}: AgentActorOptions): Actor {
  const meter = new CostMeter(options.counter ?? tokenCounter());
  let agent: ReturnType<typeof createAgeMemAgent> | undefined;
  let carried: { messages: BaseMessage[]; contextFacts: MessageFacts } = { messages: [], contextFacts: {} };
  let told = 0;
  const say = (text: string, turn: string): void => {
    const message = new HumanMessage({ content: text, ...(runKey ? { id: `${runKey}-${turn}` } : {}) });
    carried = { ...carried, messages: [...carried.messages, message] };
  };
  const begin = (view: EpisodeView): ReturnType<typeof createAgeMemAgent> => {
    const { state, stepsLeft, environment } = view;
    say(state.observation, "start");
    const instructions = instructionsFor({
      goal: state.goal,
      environment: environment.name,
      maxSteps: stepsLeft,
    });
    return createAgeMemAgent({
      ...options,
      systemPrompt: options.systemPrompt ? `${options.systemPrompt}\n\n${instructions}` : instructions,
      tools: [createActTool((action) => view.act(action))],
    });
  };
  /** One model call with its tools. */
  const call = async (view: EpisodeView, turn: number) => {
    agent ??= begin(view);
    const shown = await recall?.(view.state.observation);
    if (shown) meter.addShown(shown.memories);
    const beside = shown ? [new HumanMessage({ id: `recalled-${turn}`, content: shown.block })] : [];
    const known = new Set(carried.messages.map(({ id }) => id));
    const input = { ...carried, messages: [...carried.messages, ...beside] };
    const result = await agent.invoke(input, {
      context: { user_id: user, max_steps: 1, on_max_steps: "stop" },
      ...(runKey ? { configurable: { agemem_run_key: `${runKey}/t${turn}` } } : {}),
      ...run,
      ...(view.signal ? { signal: view.signal } : {}),
    });
    meter.add(result.usage, result.status === "format_error");
    const messages = result.messages.filter(({ id }) => !beside.some((message) => message.id === id));
    meter.addRetrieved(messages.filter(({ id }) => !known.has(id)));
    carried = { messages, contextFacts: result.contextFacts };
    return result;
  };
  return {
    turn: async (view) => {
      const turn = told++;
      const { status, finalAnswer } = await call(view, turn);
      if (status === "answered" && finalAnswer) {
        say(await view.act(actionIn(finalAnswer)), `t${turn}`);
      } else if (status !== "max_steps") {
        say(`Call a tool: "act" with your next action.`, `t${turn}`);
      }
      return "go on";
    },
    finish: async (view) => {
      if (!lessons || !agent) return;
      say(`${outcomeText(view.state.won)} Store what will help you in later tasks, if anything.`, "end");
      await call(view, told++);
    },
    cost: () => meter.cost(),
  };
}
