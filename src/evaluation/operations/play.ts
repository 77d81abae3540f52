/**
 * Plays the part of a situation before the choice, what the user and the agent said and did, through the agent's own
 * nodes, so that tool answers and retrieval blocks are the product's.
 *
 * Owns the form of scripted responses in each protocol. Leaves out the choice itself (`decide.ts`).
 */
import { AIMessage, HumanMessage } from "@langchain/core/messages";
import { thinkNode } from "../../agent/nodes/think.js";
import { toolNode } from "../../agent/nodes/tool.js";
import type { AgentParts } from "../../agent/parts.js";
import { type AgentStateValue, initialState } from "../../agent/state.js";
import { applyUpdate } from "../../rollout/driver/loop.js";
import { PAPER_TOOL_NAMES } from "../../types.js";
import type { OperationSituation, PlayedCall, PlayedTurn } from "./situation.js";

type RunConfig = Parameters<ReturnType<typeof thinkNode>>[1];

/**
 * Returns the state in which the choice is made.
 *
 * @param parts whose `ask` takes the next response from `script` while there is one
 * @param script filled here and emptied by `ask`
 */
export async function play(
  parts: AgentParts,
  { turns }: OperationSituation,
  script: AIMessage[],
  base: RunConfig,
): Promise<AgentStateValue> {
  let state = initialState();
  let step = 0;
  for (const turn of turns) {
    state = applyUpdate(state, { messages: [new HumanMessage({ content: turn.user, id: `h${step}` })] });
    for (const response of responsesOf(turn, parts.protocol.name)) {
      step += 1;
      const config = { ...base, metadata: { langgraph_step: step } };
      script.push(response);
      state = applyUpdate(state, await thinkNode(parts)(state, config));
      if (response.tool_calls?.length || turn.calls) {
        state = applyUpdate(state, await toolNode(parts)(state, config));
      }
    }
  }
  return state;
}

/** The agent's responses of a turn, as the protocol writes them. */
function responsesOf({ calls = [], answer }: PlayedTurn, protocol: "native" | "text"): AIMessage[] {
  const rounds = calls.map((round) => (protocol === "text" ? taggedCalls(round) : nativeCalls(round)));
  if (answer === undefined) return rounds;
  const text = protocol === "text" ? `<think>I can answer.</think>\n<answer>${answer}</answer>` : answer;
  return [...rounds, new AIMessage(text)];
}

function nativeCalls(calls: readonly PlayedCall[]): AIMessage {
  return new AIMessage({
    content: "",
    tool_calls: calls.map(({ op, args }, i) => ({
      type: "tool_call" as const,
      id: `call_${i + 1}`,
      name: PAPER_TOOL_NAMES[op],
      args,
    })),
  });
}

function taggedCalls(calls: readonly PlayedCall[]): AIMessage {
  const list = calls.map(({ op, args }) => ({ name: PAPER_TOOL_NAMES[op], arguments: args }));
  return new AIMessage(`<think>I need a tool.</think>\n<tool_call>${JSON.stringify(list)}</tool_call>`);
}
