/**
 * Writers and readers in processes of their own on one directory for some minutes: nothing may be missed.
 *
 * `npm run test:soak -- --minutes 10` prints figures and ends with 1 when something was missed or failed. What each
 * process does and checks is in `soak-worker.ts`.
 */
import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createRandom } from "../../src/lib/random.js";
import { openSoakStore, type SoakMessage, type SoakReport } from "./soak-load.js";

export interface SoakOptions {
  path: string;
  seconds: number;
  writers: number;
  readers: number;
  seed: string;
}

export interface SoakFigures {
  writes: number;
  reads: number;
  /** Acknowledged writes that another process looked for by their vector. */
  checked: number;
  /** Items seen at the end by each process, which must be the same number. */
  items: number[];
  /** Items without their vector in any process. */
  missingVectors: number;
  /** Acknowledged items that are not in the store at the end. */
  lost: number;
  errors: string[];
  verified: boolean;
}

const worker = fileURLToPath(new URL("./soak-worker.ts", import.meta.url));

/** Runs the processes, stops them, and adds up what they report. */
export async function soak({ path, seconds, writers, readers, seed }: SoakOptions): Promise<SoakFigures> {
  await (await openSoakStore(path)).close();
  const start = (role: string, i: number): ChildProcess =>
    fork(worker, [path, role, `${role}${i}`, seed], { execArgv: ["--import", "tsx"] });
  const writing = Array.from({ length: writers }, (_, i) => start("writer", i));
  const reading = Array.from({ length: readers }, (_, i) => start("reader", i));
  const all = [...writing, ...reading];
  const random = createRandom(seed);
  for (const child of writing) {
    child.on("message", (message: SoakMessage) => {
      if (message.kind === "written") tell(random.pick(reading), message);
    });
  }
  const reports = all.map(reportOf);
  await Promise.all(all.map((child) => heard(child, "ready")));
  await sleep(seconds * 1000);
  // Writers first, so that readers still get what the last of them announced.
  for (const group of [writing, reading]) {
    const stopped = Promise.all(group.map((child) => heard(child, "stopped")));
    for (const child of group) tell(child, { kind: "stop" });
    await stopped;
  }
  for (const child of all) tell(child, { kind: "count" });
  const found = await Promise.all(reports);
  return addUp(path, found.slice(0, writers), found.slice(writers));
}

function tell(child: ChildProcess, message: SoakMessage): void {
  if (child.connected) child.send(message);
}

/** Resolves with the first message of a kind, or when the process has ended. */
function heard(child: ChildProcess, kind: SoakMessage["kind"]): Promise<void> {
  return new Promise((resolve) => {
    child.on("message", (message: SoakMessage) => message.kind === kind && resolve());
    child.on("exit", () => resolve());
    if (child.exitCode !== null) resolve();
  });
}

function reportOf(child: ChildProcess): Promise<SoakReport> {
  return new Promise((resolve) => {
    let report: SoakReport | null = null;
    child.on("message", (message: SoakMessage) => {
      if (message.kind === "report") report = message.report;
    });
    child.on("exit", (code, signal) => {
      const errors = [`a process ended with ${code ?? signal} and no report`];
      resolve(report ?? { operations: 0, checked: 0, errors, items: 0, unscored: 0, acknowledged: [] });
    });
  });
}

async function addUp(path: string, writers: SoakReport[], readers: SoakReport[]): Promise<SoakFigures> {
  const all = [...writers, ...readers];
  const sum = (reports: SoakReport[], field: "operations" | "checked" | "unscored"): number =>
    reports.reduce((total, report) => total + report[field], 0);
  await using store = await openSoakStore(path);
  const found = await store.search(["soak"], { limit: 10_000_000 });
  const present = new Set(found.map(({ namespace, key }) => [...namespace, key].join("/")));
  return {
    writes: sum(writers, "operations"),
    reads: sum(readers, "operations"),
    checked: sum(readers, "checked"),
    items: all.map(({ items }) => items),
    missingVectors: sum(all, "unscored"),
    lost: writers.flatMap(({ acknowledged }) => acknowledged).filter((id) => !present.has(id)).length,
    errors: all.flatMap(({ errors }) => errors),
    verified: (await store.verify()).ok,
  };
}

/** Whether nothing was missed, lost or wrong. */
export function isClean({ items, missingVectors, lost, errors, verified }: SoakFigures): boolean {
  return missingVectors === 0 && lost === 0 && errors.length === 0 && verified && new Set(items).size === 1;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "10" },
      writers: { type: "string", default: "3" },
      readers: { type: "string", default: "6" },
      seed: { type: "string", default: "soak" },
    },
  });
  const path = mkdtempSync(join(tmpdir(), "agemem-soak-"));
  try {
    const figures = await soak({
      path,
      seconds: Number(values.minutes) * 60,
      writers: Number(values.writers),
      readers: Number(values.readers),
      seed: values.seed,
    });
    process.stdout.write(`${JSON.stringify({ ...values, ...figures }, null, 2)}\n`);
    process.exitCode = isClean(figures) ? 0 : 1;
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
