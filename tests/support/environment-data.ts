/** Where the lists of tasks are: they are not part of the project. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EnvironmentName, EnvironmentTask } from "../../src/evaluation/environments/task-environment.js";
import { loadEnvironmentTasks } from "../../src/evaluation/environments/task-lists.js";

/** The folder that `AGEMEM_TEST_DATA` names, else `../shared/data`; undefined when it holds no lists. */
export function environmentData(): string | undefined {
  const folder = process.env.AGEMEM_TEST_DATA ?? join("..", "shared", "data");
  return existsSync(join(folder, "agentboard")) ? folder : undefined;
}

/** AgentBoard's lists. */
export function agentboardFolder(): string {
  const folder = environmentData();
  if (!folder) throw new Error("AGEMEM_TEST_DATA names no folder with agentboard/ and alfworld/");
  return join(folder, "agentboard");
}

let games: string | undefined;

/** The tasks of an environment; ALFWorld's archive is unpacked into a temporary folder, once. */
export function environmentTasks(name: EnvironmentName): Promise<EnvironmentTask[]> {
  if (name !== "alfworld") return loadEnvironmentTasks(name, agentboardFolder());
  const folder = join(agentboardFolder(), "..", "alfworld");
  const archive = join(folder, "valid_unseen.tgz");
  if (!existsSync(archive)) return loadEnvironmentTasks(name, folder);
  if (!games) {
    games = mkdtempSync(join(tmpdir(), "agemem-alfworld-"));
    execFileSync("tar", ["xzf", archive, "-C", games]);
  }
  return loadEnvironmentTasks(name, games);
}
