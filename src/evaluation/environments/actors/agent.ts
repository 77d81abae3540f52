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
import type { MessageFacts } from "../../../types.js";
import type { Actor, EpisodeView } from "../episode.js";
import { actionIn, createActTool, instructionsFor } from "./act-tool.js";
import { CostMeter } from "./cost.js";

/** Options of {@link agentActor}: the agent's, without those that the episode sets. */
export interface AgentActorOptions
  extends Omit<AgeMemAgentOptions, "tools" | "maxSteps" | "onMaxSteps" | "responseFormat" | "checkpointer"> {
  /** User id, under which long-term memory is kept. Default "player". */
  user?: string;
  /** Callback handlers and metadata of every invocation, such as a recorder and a rollout's ids. */
  run?: { callbacks?: BaseCallbackHandler[]; metadata?: Record<string, unknown> };
  /** Text to show beside the context for one call, such as what a compared memory recalls; undefined for none. */
  recall?: (observation: string) => Promise<string | undefined>;
  /** Derives the episode's ids from this key, so that they are reproducible. Default: random ids. */
  runKey?: string;
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
  ...options
}: AgentActorOptions): Actor {
  const meter = new CostMeter();
  let agent: ReturnType<typeof createAgeMemAgent> | undefined;
  let carried: { messages: BaseMessage[]; contextFacts: MessageFacts } = { messages: [], contextFacts: {} };
  let told = 0;
  const say = (text: string, turn: string): void => {
    const message = new HumanMessage({ content: text, ...(runKey ? { id: `${runKey}-${turn}` } : {}) });
    carried = { ...carried, messages: [...carried.messages, message] };
  };
  const begin = (view: EpisodeView): ReturnType<typeof createAgeMemAgent> => {
    say(view.state.observation, "start");
    const instructions = instructionsFor(view.state.goal, view.stepsLeft);
    return createAgeMemAgent({
      ...options,
      systemPrompt: options.systemPrompt ? `${options.systemPrompt}\n\n${instructions}` : instructions,
      tools: [createActTool((action) => view.act(action))],
    });
  };
  return {
    turn: async (view) => {
      agent ??= begin(view);
      const turn = told++;
      const shown = await recall?.(view.state.observation);
      const beside =
        shown === undefined ? [] : [new HumanMessage({ id: `recalled-${turn}`, content: shown })];
      const input = { ...carried, messages: [...carried.messages, ...beside] };
      const result = await agent.invoke(input, {
        context: { user_id: user, max_steps: 1, on_max_steps: "stop" },
        ...(runKey ? { configurable: { agemem_run_key: `${runKey}/t${turn}` } } : {}),
        ...run,
        ...(view.signal ? { signal: view.signal } : {}),
      });
      meter.add(result.usage, result.status === "format_error");
      const messages = result.messages.filter(({ id }) => !beside.some((message) => message.id === id));
      carried = { messages, contextFacts: result.contextFacts };
      if (result.status === "answered" && result.finalAnswer) {
        say(await view.act(actionIn(result.finalAnswer)), `t${turn}`);
      } else if (result.status !== "max_steps") {
        say(`Call a tool: "act" with your next action.`, `t${turn}`);
      }
      return "go on";
    },
    cost: () => meter.cost(),
  };
}
