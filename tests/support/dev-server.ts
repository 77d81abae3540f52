/** LangGraph's development server, as a process of its own. */
import { spawn } from "node:child_process";
import { join, resolve } from "node:path";
import { freePort } from "./free-port.js";

export const ROOT = resolve(import.meta.dirname, "../..");
const PROGRAM = join(ROOT, "node_modules/@langchain/langgraph-cli/dist/cli/cli.mjs");

export interface DevServer {
  url: string;
  /** What it printed so far. */
  output(): string;
  stop(signal?: NodeJS.Signals): void;
}

/** Starts it on a configuration of the repository and waits until it answers. */
export async function startDevServer(config: string, env: NodeJS.ProcessEnv): Promise<DevServer> {
  const port = await freePort();
  const args = ["dev", "--no-browser", "--no-reload", "--port", String(port), "--config", join(ROOT, config)];
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    cwd: ROOT,
    env: { ...process.env, LANGSMITH_TRACING: "false", ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data) => {
      output += data;
    });
  }
  // The server has children of its own.
  const stop = (signal: NodeJS.Signals = "SIGTERM") => {
    if (child.pid && child.exitCode === null) process.kill(-child.pid, signal);
  };
  const url = `http://localhost:${port}`;
  for (let tries = 0; ; tries++) {
    // Any answer will do: without a token it is a refusal.
    if (
      await fetch(`${url}/ok`).then(
        () => true,
        () => false,
      )
    )
      return { url, output: () => output, stop };
    if (tries > 240 || child.exitCode !== null) {
      stop();
      throw new Error(`the server did not start: ${output}`);
    }
    await new Promise((wait) => setTimeout(wait, 500));
  }
}
