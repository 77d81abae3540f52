/** `agemem evaluate operations`: which memory operation a model chooses in situations with known right moves. */
import { Command } from "commander";
import { reportOperations } from "../../evaluation/operations/report.js";
import { runSituations } from "../../evaluation/operations/run.js";
import type { Split } from "../../evaluation/operations/situation.js";
import { makeSituations } from "../../evaluation/operations/situations.js";
import { resolveChatModel } from "../../models/chat-model.js";
import { PROMPT_VARIANTS, type PromptVariant } from "../../prompts.js";
import { openEnvironment } from "../../server/environment.js";
import { choice, finiteNumber, positive } from "../arguments.js";
import { createProgress } from "../progress.js";
import { operationsTables } from "./operations-tables.js";

interface Options {
  model?: string;
  protocol: "native" | "text";
  prompt: PromptVariant;
  split: Split;
  perKind: number;
  seed: string;
  concurrency: number;
  temperature: number;
  maxTokens: number;
  name?: string;
  out?: string;
  json?: boolean;
}

/** The command, for `command.ts`. */
export function operationsCommand(): Command {
  return new Command("operations")
    .description("which memory operation a model chooses next, in seeded situations with known right moves")
    .option("--model <name>", '"offline" or a model as in AGEMEM_MODEL (default: AGEMEM_MODEL)')
    .addOption(choice("--protocol <name>", "how tools are called", ["native", "text"], "native"))
    .addOption(choice("--prompt <variant>", "guidance in the system prompt", PROMPT_VARIANTS, "full"))
    .addOption(
      choice("--split <name>", "dev for writing prompts, test for reporting", ["dev", "test"], "test"),
    )
    .option("--per-kind <n>", "situations of each of the 15 kinds", positive, 12)
    .option("--seed <seed>", "seed of the situations", "0")
    .option("--concurrency <n>", "decisions at once", positive, 1)
    .option("--temperature <t>", "sampling temperature", finiteNumber, 0)
    .option("--max-tokens <n>", "most tokens of one response", positive, 256)
    .option("--name <name>", "name of the tested setting in the results")
    .option("--out <file>", "results as JSON Lines; an interrupted run continues")
    .option("--json", "print the figures as JSON")
    .action(evaluateOperations);
}

async function evaluateOperations(options: Options): Promise<void> {
  const { protocol, prompt, split, perKind, seed, out } = options;
  const env = { ...process.env, ...(options.model === undefined ? {} : { AGEMEM_MODEL: options.model }) };
  const { agent, live, store, counter, modelName } = await openEnvironment({ env, storePath: ":memory:" });
  const { temperature, maxTokens } = options;
  // The rules do not sample. A model without a limit may write until its window is full.
  const model = live ? resolveChatModel(undefined, env, { temperature, maxTokens }) : agent.model;
  const name = options.name ?? [modelName, protocol, prompt].join(" / ");
  const situations = makeSituations({ split, perKind, seed });
  const progress = createProgress("decisions", situations.length);
  let done = 0;
  try {
    const subject = { model, protocol, promptVariant: prompt, counter };
    const results = await runSituations(situations, subject, {
      name,
      store,
      concurrency: options.concurrency,
      ...(out === undefined ? {} : { out }),
      onResult: () => progress.update(++done),
    });
    progress.stop();
    const reports = reportOperations(results);
    console.log(options.json ? JSON.stringify(reports) : reports.map(operationsTables).join("\n"));
  } finally {
    progress.stop();
    await store.close();
  }
}
