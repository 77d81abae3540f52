/**
 * Reads the task lists of the paper's evaluation from files: AgentBoard's for ScienceWorld, BabyAI and PDDL, and a
 * folder of games for ALFWorld. Downloads nothing.
 */
import { readdir } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import { z } from "zod";
import { InputError } from "../../errors.js";
import { readJsonl } from "../../lib/jsonl.js";
import { formatError } from "../datasets/format-error.js";
import type { EnvironmentName, EnvironmentTask } from "./task-environment.js";

const words = z.array(z.string());
const row = z.object({
  id: z.union([z.int(), z.string()]),
  goal: z.string().min(1),
  difficulty: z.string().optional(),
  subgoals: z.union([words, z.array(words)]),
  additional_info: z.looseObject({
    env_name: z.string().optional(),
    var: z.int().optional(),
    subtask: z.string().optional(),
  }),
});
type Row = z.infer<typeof row>;

/** BabyAI's seeds: the list has a task with each of them for every level, in this order. */
const SEEDS = [1234, 1235, 1236, 1237] as const;

/**
 * Reads the tasks of an environment.
 *
 * @param folder for ALFWorld with games (`game.tw-pddl`) at any depth; for the others with AgentBoard's `NAME.jsonl`,
 * and for PDDL also `pddl/`
 * @throws InputError `AGEMEM_INPUT_FILE`, `AGEMEM_INPUT_FORMAT`
 * @example
 * const tasks = await loadEnvironmentTasks("babyai", "agentboard");
 */
export async function loadEnvironmentTasks(
  name: EnvironmentName,
  folder: string,
): Promise<EnvironmentTask[]> {
  if (name === "alfworld") return alfworldTasks(folder);
  const path = join(folder, `${name}.jsonl`);
  const rows: Row[] = [];
  for await (const { value } of readJsonl(path)) {
    const parsed = row.safeParse(value);
    if (!parsed.success) throw formatError(path, rows.length, parsed.error);
    rows.push(parsed.data);
  }
  const setups =
    name === "pddl" ? await pddlSetups(rows, folder) : rows.map(name === "babyai" ? babyai : scienceworld);
  return rows.map(({ id, goal, difficulty = null }, i) => ({
    id: `${name}-${id}`,
    environment: name,
    goal: goal.trim(),
    difficulty,
    setup: setups[i] ?? {},
  }));
}

async function alfworldTasks(folder: string): Promise<EnvironmentTask[]> {
  const files = (await filesOf(folder, true)).filter((path) => path.endsWith("game.tw-pddl"));
  if (files.length === 0) {
    throw new InputError("AGEMEM_INPUT_FILE", `${folder} holds no game.tw-pddl`, {
      remedy: "Unpack ALFWorld's games and give their folder.",
      details: { folder },
    });
  }
  return files.sort().map((path) => ({
    id: `alfworld-${relative(folder, join(path, "..")).split(sep).join("/")}`,
    environment: "alfworld",
    goal: null,
    difficulty: null,
    setup: { game: resolve(path) },
  }));
}

function babyai({ subgoals, goal, additional_info }: Row, index: number): Record<string, unknown> {
  return {
    level: additional_info.subtask,
    seed: SEEDS[index % SEEDS.length],
    data_idx: index,
    subgoals,
    goal,
  };
}

function scienceworld({ subgoals, goal, additional_info }: Row, index: number): Record<string, unknown> {
  return { task: additional_info.env_name, variation: additional_info.var, data_idx: index, subgoals, goal };
}

/** Assigns problems to rows: the rows of a domain are in the lexical order of its problems. */
async function pddlSetups(rows: readonly Row[], folder: string): Promise<Record<string, unknown>[]> {
  const problems = new Map<string, string[]>();
  const setups: Record<string, unknown>[] = [];
  for (const { additional_info } of rows) {
    const domain = additional_info.subtask ?? "";
    const left = problems.get(domain) ?? (await filesOf(join(folder, "pddl", domain), false)).sort();
    setups.push({ domain, problem: left[0] });
    problems.set(domain, left.slice(1));
  }
  return setups;
}

async function filesOf(folder: string, deep: boolean): Promise<string[]> {
  try {
    const names = await readdir(folder, { recursive: deep });
    return deep ? names.map((name) => join(folder, name)) : names.filter((name) => name.endsWith(".pddl"));
  } catch (cause) {
    throw new InputError("AGEMEM_INPUT_FILE", `${folder} cannot be read`, {
      cause,
      remedy: "Give the folder with the task lists.",
      details: { folder },
    });
  }
}
