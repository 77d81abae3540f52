/**
 * `agemem demo`: two sessions of one user in two processes, or rollouts over a HotpotQA file.
 *
 * Owns the arguments and the course of the demo. Leaves out sessions (`session.ts`) and rollouts (`hotpotqa.ts`).
 */
import { spawn } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import colors from "picocolors";
import { InputError, messageOf, StoreError } from "../../errors.js";
import { ensureDirectory } from "../../lib/directory.js";
import { type AgentEnvironment, openEnvironment } from "../../server/environment.js";
import type { MemoryValue } from "../../types.js";
import { usageLine } from "../recordings/usage-line.js";
import { DEMO_SESSIONS } from "./conversation.js";
import { runHotpotQa } from "./hotpotqa.js";
import { memoryTable, operationCounts } from "./screen.js";
import { playSession } from "./session.js";

const USER = "nora";
const NAMESPACE = ["memories", USER];

interface DemoArguments {
  session?: number;
  dir: string;
  budget: number;
  protocol: "native" | "text";
  model?: string;
  hotpotqa?: string;
  limit: number;
  k: number;
  seed: string;
  concurrency: number;
  out?: string;
}

/** The command, for the program of `main.ts`. */
export function demoCommand(): Command {
  return new Command("demo")
    .description("show an agent that manages its own memory, over two sessions of one user")
    .option(
      "--session <n>",
      "play only one session: 1 starts afresh, 2 continues with what is stored",
      wholeNumber,
    )
    .option("--dir <directory>", "where to put the store and the recordings", ".agemem/demo")
    .option("--budget <tokens>", "context budget of the conversation", wholeNumber, 2500)
    .addOption(
      new Option("--protocol <name>", "native tool calling, or the paper's tags as text")
        .choices(["native", "text"])
        .default("native"),
    )
    .option("--model <name>", '"offline", gguf:FILE or a model of OPENAI_BASE_URL (default: AGEMEM_MODEL)')
    .option("--hotpotqa <file>", "instead, roll out rows of a HotpotQA file in three stages")
    .option("--limit <n>", "rows to roll out", wholeNumber, 5)
    .option("--k <n>", "rollouts per row", wholeNumber, 4)
    .option("--seed <seed>", "seed of the rollouts", "0")
    .option("--concurrency <n>", "rollouts at once", wholeNumber, 4)
    .option("--out <file>", "recording of the rollouts (default: DIR/hotpotqa.jsonl, overwritten)")
    .action(async (options: DemoArguments) => {
      if (options.hotpotqa !== undefined) await runHotpotQa({ ...options, file: options.hotpotqa });
      else if (options.session === undefined) await bothSessions(options);
      else await oneSession(options, options.session);
    });
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new InvalidArgumentError("Give a whole number of 1 or more.");
}

/** Plays each session in its own process, so that only the store can carry memories over. */
async function bothSessions(options: DemoArguments): Promise<void> {
  for (const number of DEMO_SESSIONS.keys()) {
    const code = await runSelf(["demo", "--session", String(number + 1), ...shared(options)]);
    if (code === 0) continue;
    process.exitCode = code;
    return;
  }
}

function shared(options: DemoArguments): string[] {
  const { dir, budget, protocol, model } = options;
  const named = model === undefined ? [] : ["--model", model];
  return ["--dir", dir, "--budget", String(budget), "--protocol", protocol, ...named];
}

function runSelf(args: string[]): Promise<number> {
  const program = process.argv[1];
  if (!program) throw new Error("The program's own path is unknown");
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...process.execArgv, program, ...args], { stdio: "inherit" });
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve(code ?? (signal ? 1 : 0)));
  });
}

async function oneSession(options: DemoArguments, number: number): Promise<void> {
  const session = DEMO_SESSIONS[number - 1];
  if (!session) {
    throw new InputError("AGEMEM_INPUT_ARGUMENT", `There is no session ${number}`, {
      remedy: `Give a number from 1 to ${DEMO_SESSIONS.length}.`,
    });
  }
  const storePath = join(options.dir, "store");
  const recording = join(options.dir, `session-${number}.jsonl`);
  await prepare(options.dir, number === 1 ? [storePath, recording] : [recording]);
  const environment = await openEnvironment({ storePath, env: environmentOf(options) });
  const print = (line: string): void => console.log(line);
  try {
    await printHead(environment, options, number, session.title);
    const outcomes = await playSession({
      environment,
      session,
      threadId: `session-${number}`,
      userId: USER,
      maxTokens: options.budget,
      protocol: options.protocol,
      recording,
      print,
    });
    print(`\n${colors.bold("Long-term memory after this session")}`);
    print(memoryTable(await memoryRows(environment)));
    print(`operations  ${operationCounts(outcomes)}`);
    print(`usage       ${await usageLine(recording)}`);
    print(`recording   ${recording} (agemem trace tells what happened in it)`);
    print(`store       ${storePath}\n`);
  } finally {
    await environment.store.close();
  }
}

/** The process's environment, with the model given to the command. */
function environmentOf({ model }: Pick<DemoArguments, "model">): NodeJS.ProcessEnv {
  return { ...process.env, ...(model === undefined ? {} : { AGEMEM_MODEL: model }) };
}

async function prepare(dir: string, stale: string[]): Promise<void> {
  try {
    ensureDirectory(dir);
    for (const path of stale) await rm(path, { recursive: true, force: true });
  } catch (cause) {
    throw new StoreError("AGEMEM_STORE_PATH", `${dir} cannot be written: ${messageOf(cause)}`, {
      cause,
      remedy: "Choose another directory with --dir.",
    });
  }
}

async function printHead(
  environment: AgentEnvironment,
  options: DemoArguments,
  number: number,
  title: string,
): Promise<void> {
  const { index } = await environment.store.stats();
  console.log(
    colors.bold(`\n=== Session ${number} of ${DEMO_SESSIONS.length} (process ${process.pid}): ${title}`),
  );
  console.log(`model       ${environment.modelName}`);
  console.log(`embeddings  ${environment.embeddingName}, index ${index}`);
  console.log(`context     ${options.budget} tokens`);
}

async function memoryRows({ store }: AgentEnvironment) {
  const items = await store.search(NAMESPACE, { limit: 100 });
  const rows = [];
  for (const item of items) {
    const value = item.value as MemoryValue;
    const changes = (await store.history(NAMESPACE, item.key)).length;
    rows.push({
      id: item.key,
      type: value.memory_type,
      content: value.content,
      revision: changes > 1 ? `updated ${changes - 1}x` : "as added",
    });
  }
  return rows;
}
