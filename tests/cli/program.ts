/** Runs the command line as a user does: a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const MAIN = resolve(import.meta.dirname, "../../src/cli/main.ts");

/** Variables that would make the program use a real model. */
const CLEARED = ["OPENAI_API_KEY", "OPENAI_BASE_URL", "AGEMEM_MODEL", "AGEMEM_EMBEDDINGS", "AGEMEM_STORE"];

export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Starts `agemem …args`. */
export function start(args: string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([key]) => !CLEARED.includes(key)));
  return spawn(process.execPath, ["--import", "tsx", MAIN, ...args], {
    env: { ...inherited, NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Runs it to its end. */
export function run(args: string[], env: NodeJS.ProcessEnv = {}): Promise<Finished> {
  const child = start(args, env);
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr?.on("data", (chunk) => {
    stderr += chunk;
  });
  return new Promise((settle, fail) => {
    child.once("error", fail);
    child.once("close", (code) => settle({ code, stdout, stderr }));
  });
}

/** A directory for one test, with its removal. */
export async function temporaryDirectory(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "agemem-cli-"));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}
