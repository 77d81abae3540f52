/**
 * The requests of the streaming service: which are open, who reads them, when they are suspended and when removed.
 *
 * Owns readers and time. A request without a reader continues until its window is full. After `idleMs` it is suspended:
 * its folder stays, and it resumes when it is sent again. After `keepMs` the folder is removed.
 */
import { readdir, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { InputError } from "../../errors.js";
import { ensureDirectory } from "../../lib/directory.js";
import { differences } from "../recording/identity.js";
import type { ServiceLimits } from "./limits.js";
import type { OpenBody } from "./protocol.js";
import type { RolloutRequest } from "./request.js";
import { fixedFields, RequestRun, type RunHost, removeRollouts } from "./request-run.js";
import { parseRequest } from "./request-setup.js";

interface Open {
  run: RequestRun;
  /** The open connection of each reader: aborting it ends its answer. */
  readers: Map<string, AbortController>;
  timers: Map<string, NodeJS.Timeout>;
}

/** A reader's connection to a request. */
export interface ReaderConnection {
  run: RequestRun;
  signal: AbortSignal;
  /** Must be called when the connection ends, whatever ended it. */
  leave: () => void;
}

const IDLE = "\0idle";

export class Requests {
  private readonly open = new Map<string, Promise<Open>>();
  /** Requests that are being suspended and still hold their recording. */
  private readonly closing = new Map<string, Promise<void>>();
  private readonly sweeper: NodeJS.Timeout;

  constructor(
    private readonly folder: string,
    private readonly host: RunHost,
    private readonly limits: ServiceLimits,
  ) {
    this.sweeper = setInterval(() => void this.sweep(), Math.min(limits.keepMs, 600_000));
    this.sweeper.unref();
  }

  /** Ids of the requests that are open. */
  get ids(): string[] {
    return [...this.open.keys()];
  }

  /**
   * Connects a reader; if the request is not open, begins or resumes it.
   *
   * @throws InputError `AGEMEM_INPUT_ARGUMENT`, `AGEMEM_ROLLOUTS_BUSY`, `AGEMEM_RECORDING_SETTINGS`,
   * `AGEMEM_RECORDING_LOCKED`
   */
  async connect(body: OpenBody): Promise<ReaderConnection> {
    const request = parseRequest(body.request);
    const { request_id: id, reader } = body;
    const opened = await this.opened(id, request, body);
    const { run, readers, timers } = opened;
    // If the same reader connects again, its earlier connection broke, and the service has not noticed yet.
    readers.get(reader)?.abort();
    const controller = new AbortController();
    readers.set(reader, controller);
    for (const key of [IDLE, reader]) this.clear(timers, key);
    if (body.window !== undefined) run.delivery.window = body.window;
    run.delivery.release(reader);
    if (body.acknowledged.length > 0) await run.acknowledge(body.acknowledged);
    run.delivery.tell();
    return {
      run,
      signal: controller.signal,
      leave: () => {
        controller.abort();
        if (readers.get(reader) !== controller) return;
        readers.delete(reader);
        this.left(id, opened, reader);
      },
    };
  }

  /** @throws InputError `AGEMEM_ROLLOUTS_UNKNOWN`, `AGEMEM_INPUT_ARGUMENT` */
  async acknowledge(id: string, groups: readonly string[]): Promise<RequestRun> {
    const opened = await this.open.get(id);
    if (!opened) throw unknown(id);
    await opened.run.acknowledge(groups);
    return opened.run;
  }

  /** Ends a request and removes its folder. An unknown request is not an error. */
  async close(id: string): Promise<true> {
    await this.putAside(id, () => rm(this.folderOf(id), { recursive: true, force: true }));
    return true;
  }

  /**
   * Removes the rollouts of a request whose groups are all acknowledged and that nobody reads, and keeps which ones were.
   *
   * @returns whether that is so
   */
  async finish(id: string): Promise<boolean> {
    const opened = await this.open.get(id);
    if (!opened || opened.readers.size > 0 || !opened.run.delivery.complete) return false;
    await this.putAside(id, () => removeRollouts(this.folderOf(id)));
    return true;
  }

  /** Suspends all requests; the next process can resume them. */
  async end(): Promise<void> {
    clearInterval(this.sweeper);
    await Promise.all(this.ids.map((id) => this.putAside(id)));
  }

  private async opened(id: string, request: RolloutRequest, body: OpenBody): Promise<Open> {
    await this.closing.get(id);
    const known = await this.open.get(id);
    if (known) {
      checkFields(known.run.request, request, id);
      const others = [...known.readers.keys()].filter((each) => each !== body.reader);
      if (body.again && others.length > 0) throw shared(id, others);
      const failed = known.run.ended?.failure !== undefined;
      const elsewhere = others.length === 0 && !sameWay(known.run.request, request);
      if (!failed && !elsewhere && !body.again) return known;
      // Finished rollouts are on disk; the rest begins again, with the policy's current address.
      await this.putAside(id);
    } else if (this.open.size >= this.limits.requests && !(await this.makeRoom())) {
      throw new InputError(
        "AGEMEM_ROLLOUTS_BUSY",
        `${this.open.size} requests are open, the most at a time`,
        {
          remedy: "Wait for one to end, or raise AGEMEM_ROLLOUT_MAX_REQUESTS.",
        },
      );
    }
    const begun = this.open.get(id) ?? this.begin(id, request, body);
    this.open.set(id, begun);
    try {
      return await begun;
    } catch (error) {
      if (this.open.get(id) === begun) this.open.delete(id);
      throw error;
    }
  }

  /** Puts a request aside that nobody reads. @returns whether there was one */
  private async makeRoom(): Promise<boolean> {
    for (const id of this.ids) {
      const opened = await this.open.get(id)?.catch(() => undefined);
      if (!opened || opened.readers.size > 0) continue;
      await this.putAside(id);
      return true;
    }
    return false;
  }

  private async begin(id: string, request: RolloutRequest, body: OpenBody): Promise<Open> {
    ensureDirectory(this.folder);
    const { window, again, acknowledged: have } = body;
    const run = await RequestRun.open(this.folderOf(id), request, this.host, { window, again, have });
    return { run, readers: new Map(), timers: new Map() };
  }

  /** A reader is gone: after a while its groups go to others, and a request without readers is suspended. */
  private left(id: string, opened: Open, reader: string): void {
    const { run, readers, timers } = opened;
    this.after(timers, reader, this.limits.leaseMs, () => run.delivery.release(reader));
    if (readers.size > 0) return;
    const now = new Date();
    // The age of the folder counts from its last reader.
    utimes(this.folderOf(id), now, now).catch(() => undefined);
    this.after(timers, IDLE, this.limits.idleMs, () => void this.putAside(id));
  }

  /** @param after what to do with its folder then, before anyone opens the request again */
  private async putAside(id: string, after?: () => Promise<void>): Promise<void> {
    await this.closing.get(id);
    const opened = await this.open.get(id)?.catch(() => undefined);
    // Another call may have begun in the meantime; what it does comes first.
    if (this.closing.has(id)) return after ? this.putAside(id, after) : this.closing.get(id);
    if (!opened && !after) return;
    if (opened) {
      this.open.delete(id);
      for (const key of [...opened.timers.keys()]) this.clear(opened.timers, key);
      for (const controller of opened.readers.values()) controller.abort();
    }
    const closing = Promise.resolve(opened?.run.stop())
      .then(after)
      .finally(() => this.closing.delete(id));
    this.closing.set(id, closing);
    await closing;
  }

  private async sweep(): Promise<void> {
    const names = await readdir(this.folder).catch(() => []);
    for (const name of names) {
      const path = join(this.folder, name);
      const at = await stat(path).catch(() => undefined);
      const old = at !== undefined && Date.now() - at.mtimeMs > this.limits.keepMs;
      if (old && !this.open.has(name)) await rm(path, { recursive: true, force: true });
    }
  }

  private after(timers: Map<string, NodeJS.Timeout>, key: string, ms: number, work: () => void): void {
    this.clear(timers, key);
    const timer = setTimeout(work, ms);
    timer.unref();
    timers.set(key, timer);
  }

  private clear(timers: Map<string, NodeJS.Timeout>, key: string): void {
    clearTimeout(timers.get(key));
    timers.delete(key);
  }

  private folderOf(id: string): string {
    return join(this.folder, id);
  }
}

/** Whether two requests are equal except for their format, including the policy's address. */
function sameWay(a: RolloutRequest, b: RolloutRequest): boolean {
  const way = ({ format: _, ...rest }: RolloutRequest): string => JSON.stringify(rest);
  return way(a) === way(b);
}

function checkFields(before: RolloutRequest, now: RolloutRequest, id: string): void {
  const found = differences(fixedFields(before), fixedFields(now));
  if (found.length === 0) return;
  throw new InputError(
    "AGEMEM_RECORDING_SETTINGS",
    `Request ${id} was begun with other settings: ${found.join("; ").slice(0, 2000)}`,
    {
      remedy: "Give the settings it was begun with, or another request_id; POST /rollouts/close forgets it.",
      details: { differences: found.slice(0, 20) },
    },
  );
}

function shared(id: string, others: readonly string[]): InputError {
  return new InputError("AGEMEM_ROLLOUTS_BUSY", `Request ${id} has another reader (${others[0]})`, {
    remedy:
      "Only a reader on its own may ask for everything again: leave `again` out, or use another request_id.",
  });
}

function unknown(id: string): InputError {
  return new InputError("AGEMEM_ROLLOUTS_UNKNOWN", `No request ${id} is open`, {
    remedy: "Ask for it again with POST /rollouts, and name there the groups that you have.",
  });
}
