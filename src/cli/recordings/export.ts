/** `agemem export FILE --to FORMAT`: a recording as rows that a trainer reads, with a count of what was refused. */
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { Command } from "commander";
import { InputError } from "../../errors.js";
import { JsonlWriter } from "../../lib/jsonl.js";
import {
  type ExportReport,
  type ExportRow,
  exportRollouts,
  type RowOptions,
} from "../../trajectory/exporter.js";
import { EXPORTERS, exporterByName } from "../../trajectory/exporters/registry.js";
import { readRollouts } from "../../trajectory/file.js";
import { choice, finiteNumber, wholeNumber } from "../arguments.js";

interface ExportArguments {
  to: string;
  out: string;
  policyVersion?: number;
  batch?: string;
  minReward?: number;
}

/** Rows per write to the file. */
const ROWS = 256;

/** The command, for the program of `main.ts`. */
export function exportCommand(): Command {
  const formats = Object.values(EXPORTERS).map(
    ({ name, description }) => `  ${name.padEnd(9)} ${description}`,
  );
  return new Command("export")
    .description("write a recording as rows that a trainer reads")
    .argument("<file>", "a recording")
    .addOption(choice("--to <format>", "see below", Object.keys(EXPORTERS)).makeOptionMandatory())
    .requiredOption("--out <file>", "JSON Lines file to create")
    .option("--policy-version <n>", "trl: version for steps that have none", wholeNumber)
    .option("--batch <name>", "trinity: the batch part of the experience id")
    .option("--min-reward <r>", "chat: leave out rollouts below it, including unscored ones", finiteNumber)
    .addHelpText("after", ["", "Formats:", ...formats].join("\n"))
    .action(async (file: string, options: ExportArguments) => {
      const report = await writeRows(file, options);
      const refused = Object.entries(report.refused).map(([reason, n]) => `${n} x ${reason}`);
      if (report.rows > 0) {
        console.log(`${options.out}: ${report.rows} rows from ${report.rollouts} rollouts`);
        if (refused.length > 0) console.error(`refused: ${refused.join("; ")}`);
        return;
      }
      await rm(options.out);
      throw new InputError("AGEMEM_INPUT_FORMAT", `Nothing in ${file} can be exported to ${options.to}`, {
        remedy:
          refused.length > 0 ? `Refused: ${refused.join("; ")}.` : "The file holds no finished rollout.",
      });
    });
}

async function writeRows(file: string, options: ExportArguments): Promise<ExportReport> {
  if (existsSync(options.out)) {
    throw new InputError("AGEMEM_INPUT_ARGUMENT", `${options.out} already exists`, {
      remedy: "Give the name of a new file.",
    });
  }
  const { policyVersion, batch, minReward } = options;
  const settings: RowOptions = {
    ...(policyVersion === undefined ? {} : { policyVersion }),
    ...(batch === undefined ? {} : { batch }),
    ...(minReward === undefined ? {} : { minReward }),
  };
  const writer = await JsonlWriter.open(options.out);
  const rows: ExportRow[] = [];
  const sink = async (row: ExportRow): Promise<void> => {
    rows.push(row);
    if (rows.length >= ROWS) await writer.append(rows.splice(0));
  };
  try {
    const report = await exportRollouts(readRollouts(file), exporterByName(options.to), sink, settings);
    await writer.append(rows);
    return report;
  } finally {
    await writer.close();
  }
}
