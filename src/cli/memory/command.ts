/** `agemem memory`: the commands on a store. */
import { Command } from "commander";
import { DEFAULT_STORE } from "../../lib/store-setting.js";
import { getCommand, historyCommand, lsCommand, searchCommand } from "./items.js";
import {
  backupCommand,
  exportMemoriesCommand,
  importCommand,
  reembedCommand,
  repairCommand,
  storeStatsCommand,
  vacuumCommand,
  verifyCommand,
} from "./maintenance.js";

export function memoryCommand(): Command {
  return new Command("memory")
    .description("inspect and maintain a long-term memory store")
    .option(
      "--store <directory>",
      `the store's directory (environment AGEMEM_STORE=faiss:DIRECTORY; default ${DEFAULT_STORE})`,
    )
    .option("--embeddings <model>", 'embedding model: "lexical", "openai:NAME" or "hf:NAME"')
    .option("--json", "print JSON")
    .addCommand(lsCommand())
    .addCommand(getCommand())
    .addCommand(searchCommand())
    .addCommand(historyCommand())
    .addCommand(exportMemoriesCommand())
    .addCommand(importCommand())
    .addCommand(backupCommand())
    .addCommand(verifyCommand())
    .addCommand(repairCommand())
    .addCommand(vacuumCommand())
    .addCommand(reembedCommand())
    .addCommand(storeStatsCommand());
}
