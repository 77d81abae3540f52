/** A plain LangGraph graph with tools that answer as the memory tools do: nothing of agemem's agent is in it. */
import type { BaseLanguageModelInput } from "@langchain/core/language_models/base";
import type { BindToolsInput } from "@langchain/core/language_models/chat_models";
import { AIMessage, type BaseMessage, RemoveMessage, ToolMessage } from "@langchain/core/messages";
import type { Runnable } from "@langchain/core/runnables";
import { tool } from "@langchain/core/tools";
import {
  Command,
  END,
  type LangGraphRunnableConfig,
  MessagesValue,
  START,
  StateGraph,
  StateSchema,
} from "@langchain/langgraph";
import { ToolNode } from "@langchain/langgraph/prebuilt";
import { z } from "zod";
import type { MemoryOp, MemoryOpOutcome } from "../../src/types.js";

export interface ToolModel {
  bindTools?: (tools: BindToolsInput[]) => Runnable<BaseLanguageModelInput, BaseMessage>;
}

const State = new StateSchema({ messages: MessagesValue });
type Call = { toolCall?: { id?: string }; state?: { messages: BaseMessage[] } };

export function outcome(
  op: MemoryOp,
  toolCallId: string,
  over: Partial<MemoryOpOutcome> = {},
): MemoryOpOutcome {
  return {
    kind: "agemem.op/1",
    op,
    toolCallId,
    ok: true,
    memoryIds: ["m1"],
    namespace: ["memories", "ada"],
    revisionBefore: 4,
    revisionAfter: 5,
    tokensBefore: 100,
    tokensAfter: 120,
    latencyMs: 2,
    ...over,
  };
}

const add = tool(
  async ({ content }: { content: string }, runtime: Call) => {
    const id = runtime.toolCall?.id ?? "";
    if (content === "broken disk") throw new Error("disk failed, key sk-abcdef123456");
    const refused =
      content === "" ? { ok: false, error: { code: "AGEMEM_INPUT_ARGUMENT", message: "empty" } } : {};
    return [`stored ${content}`, outcome("ADD", id, refused)];
  },
  {
    name: "Add_memory",
    description: "stores",
    schema: z.object({ content: z.string() }),
    responseFormat: "content_and_artifact",
  },
);

/** Takes the first message out of the context and answers with a Command, as the STM tools may. */
const filter = tool(
  async (_input: { criteria: string }, runtime: Call) => {
    const id = runtime.toolCall?.id ?? "";
    const first = runtime.state?.messages[0]?.id ?? "";
    const message = new ToolMessage({
      content: "removed 1 message",
      tool_call_id: id,
      name: "Filter_context",
      artifact: outcome("FILTER", id, { memoryIds: [], messageIds: [first], editId: "e1" }),
    });
    return new Command({ update: { messages: [new RemoveMessage({ id: first }), message] } });
  },
  { name: "Filter_context", description: "filters", schema: z.object({ criteria: z.string() }) },
);

export function toolGraph(
  model: ToolModel,
  afterModel: (message: AIMessage) => AIMessage = (message) => message,
) {
  const bound = model.bindTools?.([add, filter]);
  return new StateGraph(State)
    .addNode("think", async (state: { messages: BaseMessage[] }, config: LangGraphRunnableConfig) => {
      const reply = (await bound?.invoke(state.messages, config)) as AIMessage;
      return { messages: [afterModel(reply)] };
    })
    .addNode("tools", new ToolNode([add, filter]))
    .addEdge(START, "think")
    .addConditionalEdges("think", ({ messages }: { messages: BaseMessage[] }) => {
      const last = messages.at(-1);
      return AIMessage.isInstance(last) && last.tool_calls?.length ? "tools" : END;
    })
    .addEdge("tools", "think")
    .compile();
}

/** Its tool node writes the answers itself and returns the whole history, as agemem's own does. */
export function handMadeGraph(model: ToolModel) {
  const bound = model.bindTools?.([add]);
  return new StateGraph(State)
    .addNode("think", async (state: { messages: BaseMessage[] }, config: LangGraphRunnableConfig) => ({
      messages: [(await bound?.invoke(state.messages, config)) as AIMessage],
    }))
    .addNode("tools", ({ messages }: { messages: BaseMessage[] }) => {
      const id = (messages.at(-1) as AIMessage).tool_calls?.[0]?.id ?? "";
      const artifact = outcome("ADD", id, { tokensBefore: messages.length });
      const answer = new ToolMessage({ content: "ok", tool_call_id: id, name: "Add_memory", artifact });
      return { messages: [...messages, answer] };
    })
    .addEdge(START, "think")
    .addConditionalEdges("think", ({ messages }: { messages: BaseMessage[] }) =>
      (messages.at(-1) as AIMessage).tool_calls?.length ? "tools" : END,
    )
    .addEdge("tools", "think")
    .compile();
}
