/** `agemem demo --hotpotqa FILE`: three-stage rollouts over real rows, with tables of the results. */
import { dirname, join } from "node:path";
import Table from "cli-table3";
import colors from "picocolors";
import { messageOf, StoreError } from "../../errors.js";
import { loadHotpotQa } from "../../evaluation/datasets/hotpotqa.js";
import { recordingStats } from "../../evaluation/metrics/recording-stats.js";
import { ensureDirectory } from "../../lib/directory.js";
import { OfflinePolicy } from "../../offline/policy.js";
import { createOfflineJudge } from "../../rewards/judges/offline.js";
import type { GroupResult } from "../../rollout/group.js";
import { removeRecording } from "../../rollout/journal.js";
import { runRollouts } from "../../rollout/runner.js";
import { openEnvironment } from "../../server/environment.js";
import { truncate } from "../../text/text.js";
import { readRollouts } from "../../trajectory/file.js";
import { createProgress } from "../progress.js";
import { figure, statsReport } from "../recordings/stats-report.js";
import { TABLE_STYLE } from "./screen.js";

/** The arguments of the command that are used here. */
interface HotpotQaArguments {
  file: string;
  model?: string;
  dir: string;
  limit: number;
  k: number;
  seed: string;
  concurrency: number;
  protocol: "native" | "text";
  out?: string;
}

/** Loads the tasks, rolls them out and prints the results. Overwrites the recording unless `--out` names one to continue. */
export async function runHotpotQa(options: HotpotQaArguments): Promise<void> {
  const tasks = await loadHotpotQa(options.file, { limit: options.limit, seed: options.seed });
  const out = options.out ?? join(options.dir, "hotpotqa.jsonl");
  await prepareOutput(out, options.out === undefined);
  const environment = await openEnvironment({
    storePath: ":memory:",
    env: { ...process.env, ...(options.model === undefined ? {} : { AGEMEM_MODEL: options.model }) },
  });
  const judge = createOfflineJudge();
  console.log(colors.bold(`\nThree-stage rollouts: ${tasks.length} tasks x K = ${options.k}`));
  console.log(`policy      ${environment.modelName}${environment.live ? "" : ", temperature 1"}`);
  console.log(`judge       ${judge.name}\n`);
  const progress = createProgress("rollouts", tasks.length * options.k);
  try {
    const groups = await runRollouts(
      tasks,
      {
        policy: ({ seed }) =>
          environment.live ? environment.agent.model : new OfflinePolicy({ seed, temperature: 1 }),
        store: environment.store,
        ...(environment.agent.embeddings ? { embeddings: environment.agent.embeddings } : {}),
        counter: environment.counter,
        judge,
        k: options.k,
        seed: options.seed,
        concurrency: options.concurrency,
        protocol: options.protocol,
        runName: "hotpotqa",
      },
      {
        out,
        onProgress: ({ done, meanReward, failed }) => progress.update(done, { meanReward, failed }),
      },
    );
    progress.stop();
    await report(groups, out);
  } finally {
    progress.stop();
    await environment.store.close();
  }
}

async function prepareOutput(out: string, anew: boolean): Promise<void> {
  try {
    ensureDirectory(dirname(out));
    if (anew) await removeRecording(out);
  } catch (cause) {
    throw new StoreError("AGEMEM_STORE_PATH", `${dirname(out)} cannot be written: ${messageOf(cause)}`, {
      cause,
      remedy: "Choose another directory with --dir or file with --out.",
    });
  }
}

async function report(groups: readonly GroupResult[], out: string): Promise<void> {
  if (groups.length > 0) console.log(groupTable(groups));
  console.log(statsReport(await recordingStats(readRollouts(out))));
  console.log(`recording   ${out}`);
}

/** Rewards and advantages within each group; the last column checks that the advantages sum to zero. */
function groupTable(groups: readonly GroupResult[]): string {
  const table = new Table({
    head: ["question", "rewards of the group", "mean", "std", "advantages", "sum of A"],
    colWidths: [34, 28, 8, 8, 28, 16],
    wordWrap: true,
    style: TABLE_STYLE,
  });
  for (const { rollouts, advantages } of groups) {
    const known = advantages.advantages.filter((advantage) => advantage !== null);
    const sum = known.reduce((total, advantage) => total + advantage, 0);
    table.push([
      truncate(rollouts[0]?.trajectory.episode?.question ?? "", 62),
      rollouts.map(({ trajectory }) => figure(trajectory.reward)).join(" "),
      figure(advantages.mean),
      figure(advantages.std),
      advantages.advantages.map(figure).join(" "),
      advantages.zeroVariance ? "zero variance" : sum.toExponential(1),
    ]);
  }
  return table.toString();
}
