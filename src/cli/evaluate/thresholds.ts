/** `agemem evaluate thresholds`: the similarities at which an embedding model tells duplicates, and what FILTER should remove. */
import Table from "cli-table3";
import { Command } from "commander";
import { passagePairs, scorePairs, statementPairs } from "../../evaluation/calibration/pairs.js";
import { storedPairs } from "../../evaluation/calibration/stored-pairs.js";
import {
  type Calibration,
  calibrate,
  measure,
  type ScoredPair,
} from "../../evaluation/calibration/threshold.js";
import { loadTasks } from "../../evaluation/tasks/source.js";
import { resolveEmbeddings } from "../../models/embeddings.js";
import { finiteNumber, positive } from "../arguments.js";
import { TABLE_STYLE } from "../demo/screen.js";
import { openStore } from "../memory/open.js";

interface Options {
  embeddings?: string;
  tasks?: string;
  limit: number;
  store?: string;
  duplicatePrecision: number;
  thetaPrecision: number;
  json?: boolean;
}

/** The value chosen for a setting, and how the default performs on the same pairs. */
interface Row {
  setting: "duplicateThreshold" | "theta";
  chosen: Calibration;
  present: ReturnType<typeof measure>;
}

/** The defaults for unknown embedding models. */
const PRESENT = { duplicateThreshold: 0.95, theta: 0.6 };

/** The command, for `command.ts`. */
export function thresholdsCommand(): Command {
  return new Command("thresholds")
    .description("choose the duplicate threshold and FILTER's theta for an embedding model, on labeled pairs")
    .option("--embeddings <spec>", "lexical, openai:NAME or hf:NAME (default: AGEMEM_EMBEDDINGS)")
    .option("--tasks <source>", "tasks whose passages FILTER must tell apart, such as hotpotqa:FILE")
    .option("--limit <n>", "at most this many tasks", positive, 50)
    .option("--store <directory>", "a store of your own: its distinct memories must not count as duplicates")
    .option(
      "--duplicate-precision <p>",
      "share of refused additions that must be duplicates",
      finiteNumber,
      0.85,
    )
    .option("--theta-precision <p>", "share of removed texts that must be irrelevant", finiteNumber, 0.95)
    .option("--json", "print the figures as JSON")
    .action(evaluateThresholds);
}

async function evaluateThresholds(options: Options): Promise<void> {
  const { embeddings, name } = await resolveEmbeddings(options.embeddings);
  const embed = (texts: string[]) => embeddings.embedDocuments(texts);
  const statements = [...(await scorePairs(statementPairs(), embed)), ...(await ownPairs(options))];
  const rows = [rowOf("duplicateThreshold", statements, options.duplicatePrecision)];
  if (options.tasks !== undefined) {
    const tasks = await loadTasks(options.tasks, { limit: options.limit });
    rows.push(rowOf("theta", await passagePairs(tasks, embed), options.thetaPrecision));
  }
  console.log(options.json ? JSON.stringify({ embeddings: name, rows }) : `${name}\n${tableOf(rows)}`);
}

async function ownPairs({ store: path, embeddings }: Options): Promise<ScoredPair[]> {
  if (path === undefined) return [];
  const store = await openStore({ store: path, ...(embeddings ? { embeddings } : {}) }, "vectors");
  try {
    return await storedPairs(store);
  } finally {
    await store.close();
  }
}

function rowOf(setting: Row["setting"], pairs: readonly ScoredPair[], precision: number): Row {
  return { setting, chosen: calibrate(pairs, precision), present: measure(pairs, PRESENT[setting]) };
}

function tableOf(rows: readonly Row[]): string {
  const head = [
    "setting",
    "value",
    "precision",
    "recall",
    "held out",
    "pairs",
    "default",
    "precision",
    "recall",
  ];
  const table = new Table({ head, style: TABLE_STYLE });
  for (const { setting, chosen, present } of rows) {
    const { heldOut, pairs, reached } = chosen;
    table.push([
      setting,
      `${chosen.threshold.toFixed(2)}${reached ? "" : " (precision not reached)"}`,
      ...rates(chosen),
      rates(heldOut).join(" / "),
      `${pairs.match} + ${pairs.other}`,
      present.threshold.toFixed(2),
      ...rates(present),
    ]);
  }
  return table.toString();
}

function rates({ precision, recall }: { precision: number; recall: number }): string[] {
  return [precision.toFixed(3), recall.toFixed(3)];
}
