/**
 * Runs rollouts in processes of their own, so that a run uses more than one core.
 *
 * Owns the processes: starts them, gives each rollout to the least busy one, replaces one that died. Leaves out ids,
 * order, groups and files, which stay with the run, so that a recording does not depend on the number of processes.
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { ConfigError, ModelError } from "../../errors.js";
import type { MemoryTask } from "../../types.js";
import type { RolloutIdentity } from "../options.js";
import type { RolloutResult } from "../rollout.js";
import { type FromWorker, fromSent, type ToWorker, toSent } from "./messages.js";

/** How many processes to start, and how they learn what to run. */
export interface WorkerOptions {
  /** How many; more than there are free cores does not help. */
  processes: number;
  /**
   * URL of a module that exports `openRollouts(data)`, which makes the rollout options in each process, because a
   * policy and a store cannot be sent. They must equal those of the run, except for how many requests one process may
   * make at once.
   */
  setup: string | URL;
  /** Argument of `openRollouts`: anything that `structuredClone` accepts. */
  data?: unknown;
  /** Node flags of the processes; default: those of this process. */
  execArgv?: readonly string[];
  signal?: AbortSignal;
}

/** A rollout during which two processes died has probably killed them. */
const ATTEMPTS = 2;

interface Job {
  id: number;
  task: MemoryTask;
  identity: RolloutIdentity;
  attempts: number;
  resolve: (result: RolloutResult) => void;
  reject: (error: Error) => void;
}

interface Member {
  child: ChildProcess;
  ready: Promise<void>;
  jobs: Map<number, Job>;
}

/** See {@link WorkerPool.open}. */
export class WorkerPool {
  private members: Member[] = [];
  private nextJob = 0;
  private closing = false;
  private readonly abort = (): void => {
    const error = toSent(this.options.signal?.reason);
    for (const { child } of this.members) tell(child, { kind: "abort", error });
  };

  private constructor(private readonly options: WorkerOptions) {}

  /**
   * Starts the processes and waits until all are ready.
   *
   * @throws ConfigError `AGEMEM_CONFIG_INVALID` for fewer than 1 process, or a setup that ends its process; whatever
   * `openRollouts` throws
   * @example
   * const pool = await WorkerPool.open({ processes: 2, setup: new URL("./setup.js", import.meta.url), data: { k: 8 }
   * }); await streamRollouts(tasks, options, { out, workers: pool }); await pool.close();
   */
  static async open(options: WorkerOptions): Promise<WorkerPool> {
    const { processes, signal } = options;
    if (!Number.isInteger(processes) || processes < 1) {
      throw new ConfigError("AGEMEM_CONFIG_INVALID", `processes is ${processes}`, {
        remedy: "Give a whole number of 1 or more.",
      });
    }
    signal?.throwIfAborted();
    const pool = new WorkerPool(options);
    signal?.addEventListener("abort", pool.abort, { once: true });
    try {
      pool.members = Array.from({ length: processes }, () => pool.start());
      await Promise.all(pool.members.map(({ ready }) => ready));
      return pool;
    } catch (error) {
      await pool.close();
      throw error;
    }
  }

  /**
   * Runs one rollout in the process that has the fewest. If that process dies, another one runs it again.
   *
   * @throws ModelError `AGEMEM_WORKER_FAILED` when a second process died, or the pool was closed; what failed in the
   * process (store or disk), or the abort reason
   */
  run(task: MemoryTask, identity: RolloutIdentity): Promise<RolloutResult> {
    return new Promise((resolve, reject) => {
      this.assign({ id: this.nextJob++, task, identity, attempts: 0, resolve, reject });
    });
  }

  /** Ends the processes; rollouts under way are lost. */
  async close(): Promise<void> {
    this.closing = true;
    this.options.signal?.removeEventListener("abort", this.abort);
    await Promise.all(this.members.map(({ child }) => ended(child)));
  }

  private start(): Member {
    const file = fileURLToPath(
      import.meta.resolve(`./worker${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`),
    );
    const child = fork(file, {
      execArgv: [...(this.options.execArgv ?? process.execArgv)],
      // A structured clone keeps shared references, so the messages that steps share are sent once.
      serialization: "advanced",
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const jobs = new Map<number, Job>();
    const ready = new Promise<void>((resolve, reject) => {
      child.on("message", (message: FromWorker) => {
        if (message.kind === "ready") resolve();
        else if (message.kind === "failed" && message.job === null) reject(fromSent(message.error));
        else settle(jobs, message);
      });
      child.once("exit", (code, signal) => {
        const how = `A rollout process ended with ${signal ?? code}`;
        reject(new ConfigError("AGEMEM_CONFIG_INVALID", how, { remedy: "See its output." }));
        this.lost(member, how);
      });
      child.once("error", reject);
    });
    const member: Member = { child, ready, jobs };
    const setup = String(this.options.setup);
    tell(child, { kind: "open", setup, data: this.options.data });
    return member;
  }

  private assign(job: Job): void {
    const free = this.members.reduce((a, b) => (b.jobs.size < a.jobs.size ? b : a));
    job.attempts++;
    free.jobs.set(job.id, job);
    const { id, task, identity } = job;
    free.ready.then(
      () => tell(free.child, { kind: "run", job: id, task, identity }),
      (error) => {
        if (free.jobs.delete(id)) job.reject(error);
      },
    );
  }

  /** Replaces a process that is gone, and assigns its rollouts anew. */
  private lost(member: Member, how: string): void {
    const jobs = [...member.jobs.values()];
    member.jobs.clear();
    if (!this.closing && this.members.includes(member)) {
      const replacement = this.start();
      // Jobs assigned to it get the failure.
      replacement.ready.catch(() => undefined);
      this.members = this.members.map((each) => (each === member ? replacement : each));
    }
    for (const job of jobs) {
      if (!this.closing && job.attempts < ATTEMPTS) this.assign(job);
      else job.reject(died(job, how));
    }
  }
}

function settle(jobs: Map<number, Job>, message: Exclude<FromWorker, { kind: "ready" }>): void {
  const job = message.job === null ? undefined : jobs.get(message.job);
  if (!job) return;
  jobs.delete(job.id);
  if (message.kind === "done") job.resolve(message.result);
  else job.reject(fromSent(message.error));
}

function died({ identity, attempts }: Job, how: string): Error {
  return new ModelError(
    "AGEMEM_WORKER_FAILED",
    `${how} while it ran rollout ${identity.rolloutId} (attempt ${attempts})`,
    {
      remedy: "See its output; if it ran out of memory, lower --concurrency. A recorded run can be resumed.",
    },
  );
}

function tell(child: ChildProcess, message: ToWorker): void {
  if (child.connected) child.send(message);
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once("exit", resolve));
  tell(child, { kind: "close" });
  const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
  await exit;
  clearTimeout(timer);
}
