/** `agemem demo --hotpotqa FILE`: three-stage rollouts over real rows, with what came of them as tables. */
import { dirname, join } from "node:path";
import Table from "cli-table3";
import colors from "picocolors";
import { openEnvironment } from "../../agent/environment.js";
import { loadHotpotQa } from "../../benchmarks/datasets/hotpotqa.js";
import { messageOf, StoreError } from "../../errors.js";
import { ensureDirectory } from "../../lib/directory.js";
import { truncate } from "../../lib/text.js";
import { OfflinePolicy } from "../../models/offline-policy.js";
import { createOfflineJudge } from "../../rewards/judges/offline.js";
import type { GroupResult } from "../../rollout/group.js";
import { removeRecording } from "../../rollout/journal.js";
import { runRollouts } from "../../rollout/runner.js";
import { MEMORY_OPS, type MemoryOp } from "../../types.js";
import { createProgress } from "../progress.js";
import { TABLE_STYLE } from "./screen.js";

/** Arguments of the command that matter here. */
export interface HotpotQaArguments {
  file: string;
  dir: string;
  limit: number;
  k: number;
  seed: string;
  concurrency: number;
  protocol: "native" | "text";
  out?: string;
}

/** Loads, rolls out, prints. The recording is written anew unless `--out` names one to go on with. */
export async function runHotpotQa(options: HotpotQaArguments): Promise<void> {
  const tasks = await loadHotpotQa(options.file, { limit: options.limit, seed: options.seed });
  const out = options.out ?? join(options.dir, "hotpotqa.jsonl");
  await prepareOutput(out, options.out === undefined);
  const environment = await openEnvironment({ storePath: ":memory:" });
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
    report(groups, out);
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

function report(groups: readonly GroupResult[], out: string): void {
  if (groups.length === 0) {
    console.log(`Every group is in ${out} already.`);
    return;
  }
  console.log(groupTable(groups));
  console.log(partsTable(groups));
  console.log(toolTable(groups));
  const failed = rolloutsOf(groups).filter(({ trajectory }) => trajectory.status !== "ok");
  for (const { trajectory } of failed.slice(0, 5)) {
    console.log(
      colors.yellow(`${trajectory.rollout_id}: ${trajectory.status} ${trajectory.error?.message ?? ""}`),
    );
  }
  console.log(`recording   ${out}`);
}

function rolloutsOf(groups: readonly GroupResult[]) {
  return groups.flatMap((group) => group.rollouts);
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

function partsTable(groups: readonly GroupResult[]): string {
  const table = new Table({
    head: ["reward part", "mean", "scored"],
    style: TABLE_STYLE,
  });
  const rollouts = rolloutsOf(groups);
  const names = Object.keys(
    rollouts.find(({ trajectory }) => trajectory.reward !== null)?.trajectory.reward_parts ?? {},
  );
  const rows = [
    ...names.map((name) => [name, rollouts.map((r) => r.trajectory.reward_parts[name] ?? null)] as const),
  ];
  rows.push(["memory quality (MQ)", rollouts.map((r) => r.trajectory.verdicts?.memory_quality ?? null)]);
  rows.push(["R(tau)", rollouts.map((r) => r.trajectory.reward)]);
  for (const [name, values] of rows) {
    const known = values.filter((value) => value !== null);
    table.push([name, figure(mean(known)), `${known.length}/${values.length}`]);
  }
  return table.toString();
}

/** Operations that took effect, per episode: the columns of the paper's table 3. */
function toolTable(groups: readonly GroupResult[]): string {
  const rollouts = rolloutsOf(groups);
  const perEpisode = (op: MemoryOp) =>
    rollouts
      .flatMap(({ steps }) => steps.flatMap((step) => step.memory_ops))
      .filter((o) => o.ok && o.op === op).length / rollouts.length;
  const table = new Table({
    head: ["per episode", ...MEMORY_OPS, "steps", "prompt tokens"],
    style: TABLE_STYLE,
  });
  const usage = rollouts.map(({ trajectory }) => trajectory.policy_usage);
  table.push([
    "operations",
    ...MEMORY_OPS.map((op) => perEpisode(op).toFixed(2)),
    (mean(usage.map((u) => u.calls)) ?? 0).toFixed(1),
    Math.round(mean(usage.map((u) => u.prompt_tokens / Math.max(1, u.calls))) ?? 0),
  ]);
  return table.toString();
}

function mean(values: readonly number[]): number | null {
  return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
}

function figure(value: number | null): string {
  return value === null ? "-" : value.toFixed(2);
}
