/**
 * What the curriculum asks of a policy: `npm run -s bench -- curriculum [--tasks 100] [--hotpotqa FILE] [--preset NAME] [--t-max 4096]`.
 *
 * The rules, whole and with operations taken away, beside policies that manage nothing. One rollout per task and policy. A task
 * counts as solved if the answer is right and no call's context went over T_max. Prints a table to standard error.
 */
import { parseArgs } from "node:util";
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import type { BaseMessage } from "@langchain/core/messages";
import { loadTasks } from "../src/evaluation/tasks/source.js";
import { LexicalEmbeddings } from "../src/models/lexical-embeddings.js";
import { answersFrom } from "../src/offline/answers/question-answering.js";
import { OfflinePolicy } from "../src/offline/policy.js";
import { createOfflineJudge } from "../src/rewards/judges/offline.js";
import { budgetOf } from "../src/rollout/options.js";
import { ROLLOUT_PRESETS, type RolloutPreset } from "../src/rollout/presets/presets.js";
import { streamRollouts } from "../src/rollout/runner.js";
import { FaissStore } from "../src/store/faiss-store.js";
import { ScriptedChatModel, type ScriptedResponder } from "../src/testing/scripted-model.js";
import type { Rollout } from "../src/trajectory/file.js";
import type { MemoryOp, MemoryTask, ToolSchema } from "../src/types.js";

interface Player {
  policy: (seed: string) => BaseChatModel;
  operations?: MemoryOp[];
}

const rules = (temperature: number) => (seed: string) => new OfflinePolicy({ seed, temperature });

const PLAYERS: Readonly<Record<string, Player>> = {
  rules: { policy: rules(0) },
  "rules, sampled": { policy: rules(1) },
  "rules, never update or delete": {
    policy: rules(0),
    operations: ["ADD", "RETRIEVE", "SUMMARY", "FILTER"],
  },
  "rules, never filter or summarize": {
    policy: rules(0),
    operations: ["ADD", "UPDATE", "DELETE", "RETRIEVE"],
  },
  "rules, only store and retrieve": { policy: rules(0), operations: ["ADD", "RETRIEVE"] },
  "rules, only what is in the context": { policy: rules(0), operations: ["SUMMARY", "FILTER"] },
  "store every message, the rules read": { policy: scripted(storingAll) },
  "the last passage answers": { policy: scripted(fromLast) },
  "do nothing": { policy: scripted(() => "unknown") },
};

/** Stores each message as it stands, distractors too; for the question it looks up and answers as the rules do. */
function storingAll(messages: readonly BaseMessage[], tools: readonly ToolSchema[]) {
  const [told = "", asks] = newest(messages);
  if (asks) {
    const lookUp = tools.filter(({ name }) => name === "Retrieve_memory");
    return new OfflinePolicy().bindTools(lookUp).invoke([...messages]);
  }
  return { tool_calls: [{ name: "Add_memory", args: { content: told } }] };
}

/** Reads nothing but the message before the question. */
function fromLast(messages: readonly BaseMessage[]): string {
  const [question = "", asks, before = ""] = newest(messages);
  return asks ? (answersFrom(question, [before])[0]?.text ?? "unknown") : "Noted.";
}

/** The newest message of the task without what memory holds about it, whether it is the question, the one before it. */
function newest(messages: readonly BaseMessage[]): [string | undefined, boolean, string | undefined] {
  const told = messages
    .filter(({ type }) => type === "human")
    .map(({ text }) => text.split("\n\n")[0] as string);
  return [told.at(-1), told.at(-1)?.endsWith("?") === true, told.at(-2)];
}

export async function run(args: string[]): Promise<unknown> {
  const { values } = parseArgs({
    args,
    options: {
      tasks: { type: "string", default: "100" },
      hotpotqa: { type: "string" },
      preset: { type: "string" },
      "t-max": { type: "string", default: "4096" },
      seed: { type: "string", default: "0" },
    },
  });
  const { hotpotqa, seed } = values;
  const tasks = hotpotqa
    ? await loadTasks(`curriculum:hotpotqa:${hotpotqa}`, { seed, limit: Number(values.tasks) })
    : await loadTasks(`curriculum:${values.tasks}`, { seed });
  const presets = (values.preset ? [values.preset] : Object.keys(ROLLOUT_PRESETS)) as RolloutPreset[];
  const results: Record<string, Record<string, Row>> = {};
  for (const preset of presets) {
    const rows: Record<string, Row> = {};
    for (const [name, player] of Object.entries(PLAYERS)) {
      rows[name] = await play(tasks, preset, player, Number(values["t-max"]));
      console.error(`${preset} | ${name} | ${Object.values(rows[name]).join(" | ")}`);
    }
    results[preset] = rows;
  }
  return { tasks: tasks.length, columns: COLUMNS, results };
}

const COLUMNS = ["right", "solved", "reward", "maintenance", "over T_max", "operations per rollout"];

interface Row {
  right: number;
  solved: number;
  reward: string;
  maintenance: string;
  over: number;
  operations: string;
}

async function play(tasks: MemoryTask[], preset: RolloutPreset, player: Player, tMax: number): Promise<Row> {
  const store = await FaissStore.open(":memory:", {
    index: { embeddings: new LexicalEmbeddings(), fields: ["content"] },
  });
  const rollouts: Rollout[] = [];
  const { policy, operations } = player;
  try {
    await streamRollouts(
      tasks,
      {
        policy: (rollout) => policy(rollout.seed),
        store,
        judge: createOfflineJudge(),
        k: 1,
        preset,
        budget: budgetOf(tMax),
        ...(operations ? { operations } : {}),
      },
      { onGroup: async (group) => void rollouts.push(...group.rollouts) },
    );
  } finally {
    await store.close();
  }
  return rowOf(rollouts);
}

function rowOf(rollouts: readonly Rollout[]): Row {
  const part = ({ trajectory }: Rollout, name: string) => trajectory.reward_parts[name] ?? null;
  const isRight = (rollout: Rollout) => part(rollout, "task") === 1;
  const isOver = (rollout: Rollout) => part(rollout, "penalty.tokens") !== 0;
  const mean = (values: (number | null)[]) => {
    const known = values.filter((value) => value !== null);
    return known.length === 0
      ? "-"
      : (known.reduce((sum, value) => sum + value, 0) / known.length).toFixed(3);
  };
  const counts = new Map<string, number>();
  for (const { op, ok } of rollouts.flatMap(({ steps }) => steps.flatMap(({ memory_ops }) => memory_ops))) {
    if (ok) counts.set(op, (counts.get(op) ?? 0) + 1);
  }
  return {
    right: rollouts.filter(isRight).length,
    solved: rollouts.filter((rollout) => isRight(rollout) && !isOver(rollout)).length,
    reward: mean(rollouts.map(({ trajectory }) => trajectory.reward)),
    maintenance: mean(rollouts.map((rollout) => part(rollout, "memory.maintenance"))),
    over: rollouts.filter(isOver).length,
    operations: [...counts].map(([op, n]) => `${op} ${(n / rollouts.length).toFixed(1)}`).join(" "),
  };
}

function scripted(responder: ScriptedResponder): Player["policy"] {
  return () => new ScriptedChatModel(new Array(200).fill(responder));
}
