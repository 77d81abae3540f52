/**
 * Proves tasks of the environments before any model plays them: `npm run environments:prove -- NAME [--limit N] [--null]`.
 *
 * An expert plays every task of the list through the client (ALFWorld's walkthroughs, ScienceWorld's gold paths, BabyAI's bot, the
 * planner for PDDL), or with `--null` an actor that only looks, for 30 steps. Prints a line per task that is not won, and a summary.
 * `AGEMEM_TEST_DATA` names the folder with `alfworld/` (unpacked games, or `valid_unseen.tgz`) and `agentboard/`.
 */
import { parseArgs } from "node:util";
import { expertActor, nullActor } from "../../src/evaluation/environments/actors/scripted.js";
import { type EpisodeResult, playEpisode } from "../../src/evaluation/environments/episode.js";
import { LocalEnvironment } from "../../src/evaluation/environments/local-server.js";
import { PddlEnvironment } from "../../src/evaluation/environments/pddl-environment.js";
import {
  ENVIRONMENT_NAMES,
  type EnvironmentName,
} from "../../src/evaluation/environments/task-environment.js";
import { agentboardFolder, environmentTasks } from "./environment-data.js";

/** Bot and gold paths may be longer than an agent's 30 steps; the summary says how many are not. */
const EXPERT_STEPS = 400;

async function prove(name: EnvironmentName, options: { limit: number; lazy: boolean }): Promise<void> {
  const began = Date.now();
  const tasks = (await environmentTasks(name)).slice(0, options.limit);
  const environment =
    name === "pddl" ? new PddlEnvironment(`${agentboardFolder()}/pddl`) : new LocalEnvironment({ name });
  const results: EpisodeResult[] = [];
  try {
    for (const task of tasks) {
      const actor = options.lazy ? nullActor() : expertActor();
      const result = await playEpisode({
        environment,
        task,
        actor,
        ...(options.lazy ? {} : { maxSteps: EXPERT_STEPS }),
      });
      results.push(result);
      if (options.lazy ? !result.error : result.success) continue;
      const last = result.steps.at(-1);
      const why =
        result.error?.message ?? `${last?.action ?? "(no action)"}: ${last?.observation.slice(-100) ?? ""}`;
      console.log(
        `${result.taskId} ${result.ended} ${result.progress.toFixed(2)} ${result.steps.length} ${result.score ?? ""} ${why}`,
      );
    }
  } finally {
    await environment.close();
  }
  const won = results.filter(({ success }) => success);
  const full = results.filter(({ score }) => score === 100).length;
  const mean = (of: (result: EpisodeResult) => number) =>
    (results.reduce((sum, result) => sum + of(result), 0) / results.length).toFixed(3);
  const starts = environment instanceof LocalEnvironment ? environment.starts : 0;
  console.log(
    `${name}: ${results.length} tasks, ${won.length} won, ${won.filter(({ steps }) => steps.length <= 30).length} of them in 30 steps, ` +
      `progress ${mean(({ progress }) => progress)}, grounding ${mean(({ groundingAccuracy }) => groundingAccuracy ?? 0)}, ` +
      `${results.filter(({ error }) => error).length} errors, ${name === "scienceworld" ? `${full} with score 100, ` : ""}${starts} server starts, ${((Date.now() - began) / 1000).toFixed(0)} s`,
  );
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { limit: { type: "string" }, null: { type: "boolean", default: false } },
});
const asked = positionals.length ? positionals : ENVIRONMENT_NAMES;
for (const name of asked) {
  await prove(name as EnvironmentName, {
    limit: Number(values.limit ?? Number.POSITIVE_INFINITY),
    lazy: values.null,
  });
}
