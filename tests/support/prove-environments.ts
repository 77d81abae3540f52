/**
 * Proves tasks of the environments before any model plays them: `npm run environments:prove -- NAME [--limit N] [--null] [--out FILE]`.
 *
 * An expert plays every task of the list through the client (ALFWorld's walkthroughs, ScienceWorld's gold paths, BabyAI's bot, the
 * planner for PDDL), or with `--null` an actor that only looks, for 30 steps. Prints a line per task that is not won, and a summary.
 * A task whose server failed is played once more, on a new server, and the summary says how many were. With `--out` results are
 * kept in FILE, and a proof that was interrupted goes on with the tasks that have no result or an error.
 * `AGEMEM_TEST_DATA` names the folder with `alfworld/` (unpacked games, or `valid_unseen.tgz`) and `agentboard/`.
 */
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { expertActor, nullActor } from "../../src/evaluation/environments/actors/scripted.js";
import { type EpisodeResult, playEpisode } from "../../src/evaluation/environments/episode.js";
import { LocalEnvironment } from "../../src/evaluation/environments/local-server.js";
import { PddlEnvironment } from "../../src/evaluation/environments/pddl-environment.js";
import {
  ENVIRONMENT_NAMES,
  type EnvironmentName,
  type EnvironmentTask,
  type TaskEnvironment,
} from "../../src/evaluation/environments/task-environment.js";
import { JsonlWriter, readJsonl } from "../../src/lib/jsonl.js";
import { agentboardFolder, environmentTasks } from "./environment-data.js";

/** Bot and gold paths may be longer than an agent's 30 steps; the summary says how many are not. */
const EXPERT_STEPS = 400;

/** A proof is of tasks and not of speed: on a machine that does other work, setting a game up may take minutes. */
const PATIENT = { timeoutMs: 600_000, startMs: 300_000 };

interface Options {
  limit: number;
  lazy: boolean;
  out?: string;
}

async function prove(name: EnvironmentName, { limit, lazy, out }: Options): Promise<void> {
  const began = Date.now();
  const tasks = (await environmentTasks(name)).slice(0, limit);
  const known = await resultsIn(out, name);
  const file = out === undefined ? undefined : await JsonlWriter.open(out);
  const environment =
    name === "pddl"
      ? new PddlEnvironment(`${agentboardFolder()}/pddl`)
      : new LocalEnvironment({ name, ...PATIENT });
  const results: EpisodeResult[] = [];
  let [found, again] = [0, 0];
  try {
    for (const task of tasks) {
      let result = known.get(task.id);
      if (result) found++;
      else {
        result = await play(environment, task, lazy);
        if (result.error) {
          again++;
          console.log(`${task.id} once more, because: ${result.error.message}`);
          result = await play(environment, task, lazy);
        }
        await file?.append([result]);
      }
      results.push(result);
      if (lazy ? result.error : !result.success) console.log(lineOf(result));
    }
  } finally {
    await environment.close();
    await file?.close();
  }
  const starts = environment instanceof LocalEnvironment ? environment.starts : 0;
  const seconds = ((Date.now() - began) / 1000).toFixed(0);
  console.log(
    `${name}: ${summaryOf(name, results)}, ${again} played again, ${found} found, ${starts} server starts, ${seconds} s`,
  );
}

function play(environment: TaskEnvironment, task: EnvironmentTask, lazy: boolean): Promise<EpisodeResult> {
  const actor = lazy ? nullActor() : expertActor();
  return playEpisode({ environment, task, actor, ...(lazy ? {} : { maxSteps: EXPERT_STEPS }) });
}

/** Results of an earlier proof by task, without those that ended with an error. */
async function resultsIn(
  path: string | undefined,
  name: EnvironmentName,
): Promise<Map<string, EpisodeResult>> {
  const results = new Map<string, EpisodeResult>();
  if (path === undefined || !existsSync(path)) return results;
  for await (const { value } of readJsonl(path)) {
    const result = value as EpisodeResult;
    if (result.environment === name && !result.error) results.set(result.taskId, result);
  }
  return results;
}

function lineOf({ taskId, ended, progress, steps, score, error }: EpisodeResult): string {
  const last = steps.at(-1);
  const why = error?.message ?? `${last?.action ?? "(no action)"}: ${last?.observation.slice(-100) ?? ""}`;
  return `${taskId} ${ended} ${progress.toFixed(2)} ${steps.length} ${score ?? ""} ${why}`;
}

function summaryOf(name: EnvironmentName, results: readonly EpisodeResult[]): string {
  const won = results.filter(({ success }) => success);
  const mean = (of: (result: EpisodeResult) => number) =>
    (results.reduce((sum, result) => sum + of(result), 0) / results.length).toFixed(3);
  const parts = [
    `${results.length} tasks`,
    `${won.length} won`,
    `${won.filter(({ steps }) => steps.length <= 30).length} of them in 30 steps`,
    `progress ${mean(({ progress }) => progress)}`,
    `grounding ${mean(({ groundingAccuracy }) => groundingAccuracy ?? 0)}`,
    `${results.filter(({ error }) => error).length} errors`,
    ...(name === "scienceworld"
      ? [`${results.filter(({ score }) => score === 100).length} with score 100`]
      : []),
    `longest ${(Math.max(0, ...results.map(({ latencyMs }) => latencyMs)) / 1000).toFixed(1)} s`,
  ];
  return parts.join(", ");
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    limit: { type: "string" },
    null: { type: "boolean", default: false },
    out: { type: "string" },
  },
});
const asked = positionals.length ? positionals : ENVIRONMENT_NAMES;
for (const name of asked) {
  await prove(name as EnvironmentName, {
    limit: Number(values.limit ?? Number.POSITIVE_INFINITY),
    lazy: values.null,
    ...(values.out === undefined ? {} : { out: values.out }),
  });
}
