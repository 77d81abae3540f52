/**
 * Environment servers on this machine: starts them in the Python environment that they were installed into, stops them,
 * and restarts them when their memory has grown.
 *
 * Owns the processes. A server ends with this process, because it watches its standard input. Leaves out installing
 * (`scripts/environments.mjs`).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ConfigError, EnvironmentError } from "../../errors.js";
import { isInstalled } from "../../lib/installation.js";
import { HttpEnvironment } from "./http-environment.js";
import type {
  EnvironmentName,
  EnvironmentState,
  EnvironmentTask,
  TaskEnvironment,
} from "./task-environment.js";

/** Options of {@link LocalEnvironment}. */
export interface LocalEnvironmentOptions {
  name: Exclude<EnvironmentName, "pddl">;
  /** Where `npm run environments` installed it; default: `.agemem/environments` in the working directory. */
  home?: string;
  /** Folder of the servers; default: `examples/environments` in the working directory. */
  servers?: string;
  /** Time limit of a call in milliseconds; default 120,000. */
  timeoutMs?: number;
  /** Above this memory, in megabytes, the server is restarted before the next task; default 1,500. */
  maxMemoryMb?: number;
  /** Time limit in milliseconds for a new server to report its port; default 60,000. */
  startMs?: number;
}

interface Running {
  process: ChildProcess;
  url: string;
  environment: HttpEnvironment;
}

/**
 * An environment with its own server, started with the first task. After a failure the next task gets a new server.
 *
 * @example
 * const environment = new LocalEnvironment({ name: "babyai" });
 * try { await playEpisode({ environment, task, actor }); } finally { await environment.close(); }
 */
export class LocalEnvironment implements TaskEnvironment {
  readonly name: EnvironmentName;
  readonly #options: LocalEnvironmentOptions;
  #running: Running | undefined;
  #starts = 0;

  constructor(options: LocalEnvironmentOptions) {
    this.#options = options;
    this.name = options.name;
  }

  /** How often a server was started. */
  get starts(): number {
    return this.#starts;
  }

  /** Process id of the server; undefined when none runs. */
  get pid(): number | undefined {
    return this.#running?.process.pid;
  }

  async reset(task: EnvironmentTask, signal?: AbortSignal): Promise<EnvironmentState> {
    if (this.#running && (await this.#isWorn(this.#running))) await this.close();
    this.#running ??= await this.#start();
    const { environment } = this.#running;
    return this.#watched(() => environment.reset(task, signal));
  }

  step(action: string, signal?: AbortSignal): Promise<EnvironmentState> {
    return this.#watched(() => this.#current().step(action, signal));
  }

  availableActions(signal?: AbortSignal): Promise<readonly string[]> {
    return this.#watched(() => this.#current().availableActions(signal));
  }

  expert(signal?: AbortSignal): Promise<readonly string[] | undefined> {
    return this.#watched(() => this.#current().expert(signal));
  }

  async close(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    if (running) await ended(running.process);
  }

  #current(): HttpEnvironment {
    if (!this.#running) throw new TypeError("Call reset(task) before anything else");
    return this.#running.environment;
  }

  /** Stops the server after a call failed, so that one that hung or died is not asked again. */
  async #watched<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (error instanceof EnvironmentError) await this.close();
      throw error;
    }
  }

  async #isWorn({ url, process }: Running): Promise<boolean> {
    if (process.exitCode !== null || process.signalCode !== null) return true;
    try {
      const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(5000) });
      const { rss_mb: memory } = (await response.json()) as { rss_mb: number };
      return memory > (this.#options.maxMemoryMb ?? 1500);
    } catch {
      // A server that does not even report its health is replaced.
      return true;
    }
  }

  async #start(): Promise<Running> {
    const { name, servers = join("examples", "environments") } = this.#options;
    const python = installedPython(this.#options);
    const child = spawn(python, [join(servers, `${name}_server.py`)], { stdio: ["pipe", "pipe", "pipe"] });
    this.#starts++;
    const port = await portOf(child, name, this.#options.startMs ?? 60_000);
    const url = `http://127.0.0.1:${port}`;
    const { timeoutMs } = this.#options;
    const environment = new HttpEnvironment({ name, url, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
    return { process: child, url, environment };
  }
}

/** The Python of an environment. Errors: `AGEMEM_PACKAGE_MISSING` if it is not installed, or not to the end. */
export function installedPython({
  name,
  home = join(".agemem", "environments"),
}: Pick<LocalEnvironmentOptions, "name" | "home">): string {
  const python = join(home, name, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
  const begun = existsSync(python);
  if (begun && isInstalled(join(home, name))) return python;
  const state = begun ? "not installed completely" : "not installed";
  throw new ConfigError("AGEMEM_PACKAGE_MISSING", `${name} is ${state} in ${home}`, {
    remedy: `Run: npm run environments -- ${name}`,
    details: { environment: name, python },
  });
}

/** Waits for the port, which the server's first line of output reports; a failure includes its standard error. */
function portOf(child: ChildProcess, name: EnvironmentName, limitMs: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let output = "";
    let errors = "";
    const fail = (why: string) => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      reject(
        new EnvironmentError("AGEMEM_ENVIRONMENT_UNREACHABLE", `The ${name} server ${why}`, {
          remedy: `Install it anew: npm run environments -- ${name}`,
          details: { environment: name, errors: errors.slice(-2000) },
        }),
      );
    };
    const timer = setTimeout(() => fail(`said no port in ${limitMs} ms`), limitMs);
    child.once("error", (error) => fail(`cannot be started: ${error.message}`));
    child.once("exit", (code) =>
      fail(`ended with ${code} at its start: ${errors.trim().split("\n").at(-1) ?? ""}`),
    );
    child.stderr?.on("data", (data: Buffer) => {
      errors = (errors + data.toString()).slice(-4000);
    });
    child.stdout?.on("data", (data: Buffer) => {
      output = (output + data.toString()).slice(-4000);
      const port = /"port": (\d+)/.exec(output)?.[1];
      if (port === undefined) return;
      clearTimeout(timer);
      child.removeAllListeners("exit");
      resolve(Number(port));
    });
  });
}

/** Asks a server to end, and kills it if it does not. */
function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), 3000);
    child.once("exit", () => {
      clearTimeout(timer);
      resolve();
    });
    child.stdin?.end();
  });
}
