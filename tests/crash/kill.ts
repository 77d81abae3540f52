/** Runs a worker of the crash tests and kills it in the middle of its work. Leaves out what its output says. */
import { spawn } from "node:child_process";

/** Kills the worker `after` milliseconds of work, counted from when it says "ready". */
export function runAndKill(
  worker: string,
  args: readonly string[],
  after: number,
): Promise<{ out: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ["--import", "tsx", worker, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [out, stderr] = ["", ""];
    child.stderr.on("data", (data) => {
      stderr += data;
    });
    child.stdout.on("data", (data) => {
      const waiting = !out.includes("ready");
      out += data;
      if (waiting && out.includes("ready")) setTimeout(() => child.kill("SIGKILL"), after);
    });
    child.on("close", () => resolve({ out, stderr }));
  });
}
