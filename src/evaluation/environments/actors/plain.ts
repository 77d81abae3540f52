/**
 * A model without memory in an environment: the same instructions and `act` tool, but no memory operations, no guide to
 * them and no retrieved memories; the whole episode is in the context.
 *
 * With `recall`, a compared memory is asked each turn about the newest observation.
 */
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import {
  type AIMessage,
  type BaseMessage,
  HumanMessage,
  SystemMessage,
  ToolMessage,
} from "@langchain/core/messages";
import { ConfigError } from "../../../errors.js";
import type { Actor, EpisodeView } from "../episode.js";
import { actionIn, createActTool, instructionsFor } from "./act-tool.js";
import { CostMeter } from "./cost.js";

/** Options of {@link plainActor}. */
export interface PlainActorOptions {
  model: BaseChatModel;
  /** Precedes the instructions. */
  systemPrompt?: string;
  /** Text to show with an observation in this one call; undefined for nothing. */
  recall?: (observation: string) => Promise<string | undefined>;
}

/** @throws ConfigError `AGEMEM_CONFIG_INVALID` for a model that cannot be given tools */
export function plainActor({ model, systemPrompt, recall }: PlainActorOptions): Actor {
  if (!model.bindTools) {
    throw new ConfigError("AGEMEM_CONFIG_INVALID", "The model cannot be given tools", {
      remedy: "Take a chat model that has bindTools.",
    });
  }
  const meter = new CostMeter();
  const bound = model.bindTools([createActTool(async (action) => action)]);
  const messages: BaseMessage[] = [];
  const begin = ({ state, stepsLeft }: EpisodeView): void => {
    const instructions = instructionsFor(state.goal, stepsLeft);
    const system = systemPrompt ? `${systemPrompt}\n\n${instructions}` : instructions;
    messages.push(new SystemMessage(system), new HumanMessage(state.observation));
  };
  return {
    turn: async (view) => {
      if (messages.length === 0) begin(view);
      const shown = await recall?.(view.state.observation);
      const prompt = shown ? [...messages, new HumanMessage(shown)] : messages;
      const started = Date.now();
      const response = (await bound.invoke(prompt, view.signal ? { signal: view.signal } : {})) as AIMessage;
      meter.addCall(response, Date.now() - started);
      messages.push(response);
      for (const { id = "", name, args } of response.tool_calls ?? []) {
        const action: unknown = args.action;
        const known = name === "act" && typeof action === "string";
        const content = known ? await view.act(action) : `There is no tool "${name}" with these arguments.`;
        messages.push(new ToolMessage({ name, content, tool_call_id: id }));
      }
      if (!response.tool_calls?.length)
        messages.push(new HumanMessage(await view.act(actionIn(response.text))));
      return "go on";
    },
    cost: () => meter.cost(),
  };
}
