/** Recordings of the real agent on a scripted model: conversations by thread over one store, in both protocols. */
import { MemorySaver } from "@langchain/langgraph";
import { createAgeMemAgent } from "../../../src/agent/agent.js";
import { LexicalEmbeddings } from "../../../src/models/lexical-embeddings.js";
import { FaissStore } from "../../../src/store/faiss-store.js";
import { ScriptedChatModel, type ScriptedStep } from "../../../src/testing/scripted-model.js";
import { TrajectoryRecorder } from "../../../src/trajectory/recorder.js";
import { type AnyRecord, recordSchema } from "../../../src/trajectory/schema.js";
import { summaryRecord } from "../../../src/trajectory/summary-record.js";
import { METADATA } from "../../../src/types.js";

export type Protocol = "native" | "text";

type Args = Record<string, unknown>;
/** What the model does: calls in one response, or an answer. */
export type Act = string | [tool: string, args: Args | ((shown: string) => Args)][];

/** One message of the user and the responses to it. */
export interface Exchange {
  thread: string;
  user: string;
  acts: Act[];
}

export interface StoryOptions {
  protocol: Protocol;
  /** What the summarizer writes, one text per summary. */
  summaries?: string[];
  agent?: Partial<Parameters<typeof createAgeMemAgent>[0]>;
  /** Without names the recorder tells invocations apart by their root run. */
  named?: boolean;
}

/** Plays a story and gives back its recording, each line checked and read as from a file. */
export async function record(exchanges: readonly Exchange[], options: StoryOptions): Promise<AnyRecord[]> {
  const { protocol, summaries = [], named = true } = options;
  const embeddings = new LexicalEmbeddings();
  const store = await FaissStore.open(":memory:", { index: { embeddings } });
  const agent = createAgeMemAgent({
    model: new ScriptedChatModel(exchanges.flatMap(({ acts }) => acts.map((act) => toStep(act, protocol)))),
    summarizer: new ScriptedChatModel(summaries),
    store,
    embeddings,
    protocol,
    // Lexical embeddings: a retrieved block is less like its memory than the default asks for.
    theta: 0.4,
    checkpointer: new MemorySaver(),
    ...options.agent,
  });
  const recorder = new TrajectoryRecorder();
  for (const { thread, user } of exchanges) {
    await agent.invoke(
      { messages: [{ role: "user", content: user }] },
      {
        configurable: { thread_id: thread },
        context: { user_id: "nora" },
        callbacks: [recorder],
        ...(named ? { metadata: { [METADATA.rolloutId]: thread } } : {}),
      },
    );
  }
  await store.close();
  const records: AnyRecord[] = recorder.rolloutIds().flatMap((rollout_id) => {
    const steps = recorder.take(rollout_id);
    const end = { rollout_id, status: "ok" as const, ts: "2026-01-02T00:00:00.000Z" };
    return named ? [...steps, summaryRecord(steps, end)] : steps;
  });
  return records.map((line) => recordSchema.parse(JSON.parse(JSON.stringify(line))));
}

function toStep(act: Act, protocol: Protocol): ScriptedStep {
  return (messages) => {
    const shown = messages.map((message) => message.text).join("\n");
    const text = protocol === "text";
    if (typeof act === "string") return text ? `<think>Done.</think><answer>${act}</answer>` : act;
    const calls = act.map(([name, args]) => ({
      name,
      args: typeof args === "function" ? args(shown) : args,
    }));
    if (!text) return { tool_calls: calls };
    const json = JSON.stringify(calls.map(({ name, args }) => ({ name, arguments: args })));
    return `<think>Now.</think><tool_call>${json}</tool_call>`;
  };
}

/** Id of the memory last shown with this word in its content. */
export const idOf =
  (word: string) =>
  (shown: string): string =>
    [...shown.matchAll(/<memory id="([^"]+)"[^>]*>([^<]*)</g)].findLast(([, , content]) =>
      content?.includes(word),
    )?.[1] ?? `no memory shows ${word}`;
