/**
 * A process that runs rollouts for another one: `fork` starts this file, and messages tell it what to do.
 *
 * Owns the life of such a process, which ends when told to, or when its parent is gone. Leaves out the pool (`pool.ts`)
 * and which rollouts there are, their groups and files (`runner.ts`).
 */
import { setMaxListeners } from "node:events";
import { fileURLToPath } from "node:url";
import { StageAgents } from "../driver/stage-agents.js";
import { runRollout } from "../rollout.js";
import { type RolloutSettings, rolloutSettings } from "../settings.js";
import { Sweeper } from "../sweep.js";
import {
  type FromWorker,
  fromSent,
  type OpenRollouts,
  type ToWorker,
  toSent,
  type WorkerSetup,
} from "./messages.js";

interface Opened extends OpenRollouts {
  settings: RolloutSettings;
  agents: StageAgents;
  sweeper: Sweeper;
}

class Worker {
  private readonly stop = new AbortController();
  private opened: Opened | undefined;

  async handle(message: ToWorker): Promise<void> {
    switch (message.kind) {
      case "open":
        return this.attempt(null, () => this.open(message.setup, message.data));
      case "run":
        return this.attempt(message.job, () => this.run(message));
      case "abort":
        return this.stop.abort(fromSent(message.error));
      case "close":
        await this.opened?.close?.();
        process.disconnect();
    }
  }

  private async open(setup: string, data: unknown): Promise<FromWorker> {
    const { openRollouts } = (await import(setup)) as WorkerSetup;
    const { options, close } = await openRollouts(data);
    const { signal } = this.stop;
    setMaxListeners(0, signal);
    const settings = rolloutSettings({ ...options, signal }, "openRollouts");
    this.opened = {
      options,
      ...(close ? { close } : {}),
      settings,
      agents: new StageAgents(settings),
      sweeper: new Sweeper(settings.store),
    };
    return { kind: "ready" };
  }

  private async run({ job, task, identity }: ToWorker & { kind: "run" }): Promise<FromWorker> {
    if (!this.opened) throw new TypeError("The worker was not opened.");
    const { settings, agents, sweeper } = this.opened;
    const result = await runRollout(task, identity, settings, agents);
    await sweeper.discarded();
    return { kind: "done", job, result };
  }

  private async attempt(job: number | null, work: () => Promise<FromWorker>): Promise<void> {
    try {
      send(await work());
    } catch (error) {
      send({ kind: "failed", job, error: toSent(error) });
    }
  }
}

/** Sends nothing once the parent has disconnected. */
function send(message: FromWorker): void {
  if (process.connected) process.send?.(message);
}

function serve(): void {
  const worker = new Worker();
  process.on("message", (message) => void worker.handle(message as ToWorker));
  process.once("disconnect", () => process.exit());
  // Ctrl-C reaches every process of the group, but the run decides when its workers end.
  process.on("SIGINT", () => undefined);
}

if (process.send && process.argv[1] === fileURLToPath(import.meta.url)) serve();
