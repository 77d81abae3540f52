/** What a recorded rollout showed the policy, checked against the task: what it must not have seen. */
import { splitSentences } from "../../src/text/text.js";
import type { Rollout } from "../../src/trajectory/file.js";
import type { MessageRecord } from "../../src/trajectory/schema-parts.js";
import type { MemoryTask } from "../../src/types.js";

const RETRIEVED = /<retrieved_memories\b[\s\S]*?(<\/retrieved_memories>|\/>)/g;

const textOf = (message: MessageRecord): string =>
  typeof message.content === "string" ? message.content : JSON.stringify(message.content);

/** Sentences of the context that no distractor and no question holds. */
export function ownSentences(task: MemoryTask): string[] {
  const elsewhere = [task.question, ...task.distractors.map((passage) => passage.text)].join("\n");
  return task.context
    .flatMap((passage) => splitSentences(passage.text))
    .filter((sentence) => sentence.length > 20 && !elsewhere.includes(sentence));
}

/** One line per text that leaked; none when the stages kept apart. */
export function leaks(task: MemoryTask, { steps }: Rollout): string[] {
  const found: string[] = [];
  const sentences = ownSentences(task);
  const retrieved = new Set<string>();
  const stageOne = new Set(steps.filter((step) => step.stage === 1).flatMap(idsOf));
  for (const step of steps.filter((each) => each.call_role === "policy")) {
    const where = `${step.rollout_id} step ${step.step_index}`;
    if (step.stage < 3 && step.messages.some((message) => textOf(message).includes(task.question))) {
      found.push(`${where}: the question in stage ${step.stage}`);
    }
    if (step.stage === 1) continue;
    for (const id of idsOf(step)) if (stageOne.has(id)) found.push(`${where}: message ${id} of stage 1`);
    for (const message of step.messages) {
      const blocks = (textOf(message).match(RETRIEVED) ?? []).join();
      for (const sentence of sentences) if (blocks.includes(sentence)) retrieved.add(sentence);
    }
    found.push(...untold(step.messages, sentences, retrieved).map((sentence) => `${where}: ${sentence}`));
  }
  return found;
}

/**
 * What the policy itself says after a retrieval may repeat what it retrieved, and a summary what was retrieved before it was
 * written; nothing else may.
 */
function untold(
  messages: readonly MessageRecord[],
  sentences: readonly string[],
  retrieved: ReadonlySet<string>,
): string[] {
  const retrieval = messages.findIndex((message) => textOf(message).includes("<retrieved_memories"));
  return messages.flatMap((message, i) => {
    const may = retrieval !== -1 && i >= retrieval && message.role !== "user" && message.role !== "system";
    const isSummary = textOf(message).startsWith("<context_summary");
    const text = textOf(message).replace(RETRIEVED, "") + JSON.stringify(message.tool_calls ?? []);
    const repeated = may ? [] : sentences.filter((sentence) => text.includes(sentence));
    return isSummary ? repeated.filter((sentence) => !retrieved.has(sentence)) : repeated;
  });
}

function idsOf(step: Rollout["steps"][number]): string[] {
  return step.messages.flatMap((message) => (message.role === "system" || !message.id ? [] : [message.id]));
}

/** Everything of a rollout but times, run ids, and revisions, which number the writes of the whole store. */
export function timeless({ trajectory, steps }: Rollout): unknown {
  const drop = new Set([
    "ts",
    "latency_ms",
    "run_id",
    "root_run_id",
    "checkpoint_id",
    "checkpoint_ns",
    "revision",
    "revision_before",
    "revision_after",
  ]);
  return JSON.parse(
    JSON.stringify({ trajectory, steps }, (key, value: unknown) => (drop.has(key) ? undefined : value)),
  );
}
