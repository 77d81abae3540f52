/** A run in a process of its own, to be killed: `node --import tsx tests/rollout/killed-run.ts FILE`. */
import { streamRollouts } from "../../src/rollout/runner.js";
import type { ScriptedResponder } from "../../src/testing/scripted-model.js";
import { diligent, memoryStore, optionsFor, personTask } from "./setup.js";

/** Small tasks, so that a hundred of them take seconds. */
export const KILLED_TASKS = Array.from({ length: 100 }, (_, i) => {
  const task = personTask(i);
  return { ...task, context: task.context.slice(0, 1), distractors: task.distractors.slice(0, 1) };
});

/** Runs the tasks with K = 2 and tells how many rollouts were run here. */
export async function runTasks(out: string): Promise<number> {
  const store = await memoryStore();
  let calls = 0;
  const counted: ScriptedResponder = (messages, tools) => {
    calls++;
    return diligent(messages, tools);
  };
  try {
    await streamRollouts(KILLED_TASKS, optionsFor(store, counted), { out });
  } finally {
    await store.close();
  }
  return calls;
}

const [out] = process.argv.slice(2);
if (out !== undefined && process.argv[1]?.endsWith("killed-run.ts")) await runTasks(out);
