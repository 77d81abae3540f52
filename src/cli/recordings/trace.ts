/**
 * `agemem trace FILE…`: shows what was stored, found and dropped, what it cost, and why an answer lacked a fact.
 *
 * Owns the arguments and reading. Several files are read as one recording, so that a fact stored in one session and
 * asked for in the next can be followed.
 */
import { readFile } from "node:fs/promises";
import { Command } from "commander";
import { z } from "zod";
import { InputError, messageOf } from "../../errors.js";
import { addUsage, costOf, type Prices, totalUsage } from "../../lib/usage.js";
import { readTrajectoryFile } from "../../trajectory/file.js";
import type { AnyRecord } from "../../trajectory/schema.js";
import { type ConversationTrace, type TraceOptions, traceRecords } from "../../trajectory/trace/trace.js";
import { wholeNumber } from "../arguments.js";
import { traceReport } from "./trace-report.js";

interface TraceArguments {
  fact?: string[];
  rollout?: string;
  step?: number;
  prices?: string;
  json?: boolean;
}

/** The command, for the program of `main.ts`. */
export function traceCommand(): Command {
  return new Command("trace")
    .description("print what a recording did with the memories, and why an answer lacked a fact")
    .argument("<files...>", "recordings, read as one")
    .option("--fact <text>", "say why the answer lacked this; may be repeated", collect)
    .option("--rollout <id>", "only this rollout or thread")
    .option("--step <n>", "judge the answer of this step instead of the last", wholeNumber)
    .option("--prices <file>", 'prices per million tokens: {"model": {"input": 0.15, "output": 0.6}}')
    .option("--json", "print the trace as JSON")
    .action(async (files: string[], options: TraceArguments) => {
      const prices = options.prices === undefined ? undefined : await readPrices(options.prices);
      const traces = selected(traceRecords(await readAll(files), toTraceOptions(options)), files, options);
      console.log(options.json ? JSON.stringify(asJson(traces, prices)) : traceReport(traces, prices));
    });
}

function collect(text: string, earlier: string[] = []): string[] {
  return [...earlier, text];
}

function toTraceOptions({ fact, step }: TraceArguments): TraceOptions {
  return { ...(fact ? { facts: fact } : {}), ...(step === undefined ? {} : { step }) };
}

async function readAll(files: readonly string[]): Promise<AnyRecord[]> {
  const records: AnyRecord[] = [];
  for (const file of files) for await (const record of readTrajectoryFile(file)) records.push(record);
  return records;
}

/** All conversations are traced, because memories carry over; only those asked for are shown. */
function selected(
  traces: ConversationTrace[],
  files: readonly string[],
  { rollout, step, fact }: TraceArguments,
): ConversationTrace[] {
  const wanted = traces.filter(
    ({ rolloutId, threadId }) => rollout === undefined || rolloutId === rollout || threadId === rollout,
  );
  if (wanted.length === 0) {
    const what = rollout === undefined ? "nothing" : `no rollout or thread "${rollout}"`;
    throw new InputError("AGEMEM_INPUT_ARGUMENT", `${files.join(", ")} holds ${what}`, {
      remedy: traces.length > 0 ? `There are: ${names(traces)}.` : "Give a recording with steps.",
    });
  }
  if (step !== undefined && fact && wanted.every(({ verdicts }) => verdicts.length === 0)) {
    throw new InputError("AGEMEM_INPUT_ARGUMENT", `Step ${step} is no call of the acting model`, {
      remedy: "Give a step that the trace without --step shows.",
    });
  }
  return wanted;
}

function names(traces: readonly ConversationTrace[]): string {
  const ids = traces.map(({ rolloutId }) => rolloutId);
  return ids.length > 10 ? `${ids.slice(0, 10).join(", ")} and ${ids.length - 10} more` : ids.join(", ");
}

function asJson(traces: readonly ConversationTrace[], prices: Prices | undefined) {
  const usage = traces.map((trace) => trace.usage).reduce(addUsage, {});
  const total = totalUsage(usage);
  return {
    conversations: traces.map((trace) => ({
      ...trace,
      cost: prices ? costOf(totalUsage(trace.usage), prices) : null,
    })),
    usage,
    total,
    cost: prices ? costOf(total, prices) : null,
  };
}

const price = z.number().min(0);
const pricesSchema = z.record(
  z.string(),
  z.object({ input: price, output: price, cachedInput: price.optional() }),
);

async function readPrices(path: string): Promise<Prices> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new InputError("AGEMEM_INPUT_FILE", `${path} cannot be read: ${messageOf(cause)}`, { cause });
  }
  try {
    return pricesSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new InputError("AGEMEM_INPUT_FORMAT", `${path} is not a table of prices`, {
      cause,
      remedy: 'Write {"model name": {"input": 0.15, "output": 0.6}}, per million tokens.',
    });
  }
}
