/**
 * `npm run test:conversations [-- COUNT [PROCESSES]]`: random conversations in processes of their own, 10,000 by default,
 * every request checked against the providers' rules. Prints what was checked; ends with 1 when a rule was broken.
 */
import { fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import {
  addReports,
  type ConversationReport,
  describeReport,
  NO_REPORT,
  playConversation,
} from "./conversations.js";

const [count = 10_000, processes = availableParallelism(), part] = process.argv.slice(2).map(Number);
const EVERY = 100;

/** One process: every `processes`-th seed from `part` on; told in pieces. */
async function play(from: number): Promise<void> {
  let report = NO_REPORT();
  for (let seed = from; seed < count; seed += processes) {
    await playConversation(seed, report);
    if (report.conversations < EVERY) continue;
    process.send?.(report);
    report = NO_REPORT();
  }
  process.send?.(report);
  process.disconnect?.();
}

function child(from: number, take: (report: ConversationReport) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const args = [String(count), String(processes), String(from)];
    const worker = fork(fileURLToPath(import.meta.url), args, {
      env: { ...process.env, LANGSMITH_TRACING: "false" },
    });
    worker.on("message", (report) => take(report as ConversationReport));
    worker.on("error", reject);
    worker.on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`A process ended with ${code}`))));
  });
}

function brokenIn({ failures, violations }: ConversationReport): string[] {
  return [...failures, ...violations.openai, ...violations.anthropic];
}

async function main(): Promise<void> {
  let total = NO_REPORT();
  let told = 0;
  const take = (report: ConversationReport) => {
    total = addReports(total, report);
    for (const each of brokenIn(report).slice(0, 20)) process.stdout.write(`${each}\n`);
    if (total.conversations < told + 1000) return;
    told = total.conversations;
    process.stdout.write(`${describeReport(total)}\n`);
  };
  await Promise.all(Array.from({ length: processes }, (_, from) => child(from, take)));
  process.stdout.write(`${describeReport(total)}\n`);
  process.exitCode = brokenIn(total).length > 0 || total.conversations < count ? 1 : 0;
}

await (part === undefined ? main() : play(part));
