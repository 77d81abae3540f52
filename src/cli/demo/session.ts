/**
 * Plays one session of the demo: the agent talks with the scripted user, and every step is printed and recorded.
 *
 * Owns the live view. Sessions are connected only by the store.
 */
import { AIMessage, type BaseMessage, ToolMessage } from "@langchain/core/messages";
import { MemorySaver } from "@langchain/langgraph";
import { createAgeMemAgent } from "../../agent/agent.js";
import { parseTextResponse } from "../../agent/protocols/text-parser.js";
import type { AgentEnvironment } from "../../server/environment.js";
import { TrajectoryWriter } from "../../trajectory/file.js";
import { TrajectoryRecorder } from "../../trajectory/recorder.js";
import type { StepRecord } from "../../trajectory/schema.js";
import { summaryRecord } from "../../trajectory/summary-record.js";
import { isOutcome, METADATA, type MemoryOpOutcome } from "../../types.js";
import type { DemoSession } from "./conversation.js";
import { answerLine, budgetBar, operationLine, thoughtLine, userLine } from "./screen.js";

/** What a session needs. */
interface SessionOptions {
  environment: AgentEnvironment;
  session: DemoSession;
  /** Thread of the conversation; other threads do not see its context. */
  threadId: string;
  userId: string;
  /** Context budget in tokens. */
  maxTokens: number;
  protocol: "native" | "text";
  /** File the steps are appended to. */
  recording: string;
  print: (line: string) => void;
}

/** Plays the session to its end and returns the outcomes of its operations. */
export async function playSession(options: SessionOptions): Promise<MemoryOpOutcome[]> {
  const { environment, session, print } = options;
  const agent = createAgeMemAgent({
    ...environment.agent,
    budget: { maxTokens: options.maxTokens, responseTokens: Math.round(options.maxTokens / 8) },
    protocol: options.protocol,
    checkpointer: new MemorySaver(),
    maxSteps: 12,
  });
  const startedAt = new Date();
  const steps: StepRecord[] = [];
  const finished: StepRecord[] = [];
  const recorder = new TrajectoryRecorder({
    counter: environment.counter,
    onStep: (step) => finished.push(step),
  });
  const writer = await TrajectoryWriter.open(options.recording);
  const outcomes: MemoryOpOutcome[] = [];
  try {
    for (const turn of session.turns) {
      print(userLine(turn));
      const stream = await agent.stream(
        { messages: [{ role: "user", content: turn }] },
        {
          configurable: { thread_id: options.threadId },
          context: { user_id: options.userId },
          callbacks: [recorder],
          metadata: { [METADATA.rolloutId]: options.threadId },
          streamMode: "updates",
        },
      );
      const calls = new Map<string, Record<string, unknown>>();
      for await (const update of stream) {
        for (const [node, change] of Object.entries(update)) {
          show(node, change as Change, calls, outcomes, options);
        }
      }
      // A turn's steps are on disk before the next turn begins.
      await writer.append(finished);
      steps.push(...finished.splice(0));
    }
    await writer.append([
      summaryRecord(steps, { rollout_id: options.threadId, status: "ok", ts: startedAt.toISOString() }),
    ]);
  } finally {
    await writer.close();
  }
  return outcomes;
}

interface Change {
  messages?: BaseMessage[];
  contextTokens?: number;
}

function show(
  node: string,
  change: Change,
  calls: Map<string, Record<string, unknown>>,
  outcomes: MemoryOpOutcome[],
  { print, maxTokens }: SessionOptions,
): void {
  for (const message of change.messages ?? []) {
    if (node === "think" && AIMessage.isInstance(message)) showModel(message, calls, print);
    if (node !== "tool" || !ToolMessage.isInstance(message)) continue;
    const args = calls.get(message.tool_call_id);
    if (!args || !isOutcome(message.artifact)) continue;
    calls.delete(message.tool_call_id);
    outcomes.push(message.artifact);
    print(operationLine(message.artifact.op, args, message.text, message.artifact.ok));
  }
  if (node === "think" && change.contextTokens !== undefined) {
    print(budgetBar(change.contextTokens, maxTokens));
  }
}

function showModel(
  message: AIMessage,
  calls: Map<string, Record<string, unknown>>,
  print: (line: string) => void,
): void {
  for (const call of message.tool_calls ?? []) calls.set(call.id ?? "", call.args);
  const { thought, answer } = readable(message);
  if (thought) print(thoughtLine(thought));
  if (answer) print(answerLine(answer));
}

/** What the model thought and answered, without the tags of the text protocol. */
function readable(message: AIMessage): { thought: string; answer: string } {
  const text = message.text.trim();
  const acts = (message.tool_calls?.length ?? 0) > 0;
  if (!text.startsWith("<")) return acts ? { thought: text, answer: "" } : { thought: "", answer: text };
  const parsed = parseTextResponse(text);
  return { thought: parsed.think, answer: parsed.kind === "answer" ? parsed.answer : "" };
}
