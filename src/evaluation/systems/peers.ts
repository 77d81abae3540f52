/**
 * Other projects' memories, each in its own Python environment, which `npm run baselines -- NAME` installs.
 *
 * Owns the list of them, and starting and stopping their servers (`examples/baselines`). Leaves out their protocol
 * (`http-system.ts`) and the endpoint that they call (`model-proxy.ts`).
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { ConfigError } from "../../errors.js";
import { isInstalled } from "../../lib/installation.js";
import { HttpMemorySystem } from "./http-system.js";
import type { ModelProxy } from "./model-proxy.js";

/** The server of a memory: its program, the folder of its environment, and further arguments. */
export interface PeerProgram {
  program: string;
  environment: string;
  args: readonly string[];
  /** Default "python", of a virtual environment. */
  runtime?: "python" | "node";
}

/** By name. */
export const PEERS: Readonly<Record<string, PeerProgram>> = {
  mem0: { program: "mem0_server.py", environment: "mem0", args: [] },
  "mem0-graph": { program: "mem0_server.py", environment: "mem0", args: ["--graph"] },
  "mem0-node": { program: "mem0_node_server.mjs", environment: "mem0-node", args: [], runtime: "node" },
  langmem: { program: "langmem_server.py", environment: "langmem", args: [] },
  "a-mem": { program: "a_mem_server.py", environment: "a-mem", args: [] },
};

/** A-Mem loads its packages for half a minute, on a busy machine for longer. */
const START_MS = 180_000;

/** Options of {@link startPeer}. */
export interface PeerOptions {
  name: string;
  /** The endpoint of its models, which counts its cost. */
  proxy: ModelProxy;
  /** Its account at the endpoint; default: the name. */
  account?: string;
  /** Dimensions of the endpoint's embeddings. */
  dims: number;
  /** Folder of the servers' programs; default: `examples/baselines` in the working directory. */
  programs?: string;
  /** Where `npm run baselines` installs; default: AGEMEM_BASELINES, or `.agemem/baselines`. */
  environments?: string;
  /** Called with the server's output, piece by piece. */
  onLog?: (text: string) => void;
}

/** A memory with a running server. */
export interface Peer {
  system: HttpMemorySystem;
  /** Stops the server. */
  stop(): Promise<void>;
}

/**
 * Where a memory is installed.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for an unknown name, `AGEMEM_PACKAGE_MISSING` if it is not installed
 */
export function installedPeer(
  name: string,
  environments = process.env.AGEMEM_BASELINES ?? join(".agemem", "baselines"),
): { peer: PeerProgram; home: string; isNode: boolean } {
  const peer = Object.hasOwn(PEERS, name) ? PEERS[name] : undefined;
  if (!peer) {
    throw new ConfigError("AGEMEM_CONFIG_INVALID", `there is no memory "${name}" to compare with`, {
      remedy: `Give one of ${Object.keys(PEERS).join(", ")}.`,
    });
  }
  const home = resolve(environments, peer.environment);
  const isNode = peer.runtime === "node";
  if (isInstalled(home)) return { peer, home, isNode };
  const state = existsSync(home) ? "not installed completely" : "not installed";
  throw new ConfigError("AGEMEM_PACKAGE_MISSING", `${name} is ${state}`, {
    remedy: `Run npm run baselines -- ${peer.environment}.`,
  });
}

/**
 * Starts a memory's server on a free port and waits until it answers.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for an unknown name, `AGEMEM_PACKAGE_MISSING` if it is not installed;
 * EnvironmentError `AGEMEM_SYSTEM_FAILED` if it does not start
 */
export async function startPeer(options: PeerOptions): Promise<Peer> {
  const { name, proxy, dims, onLog } = options;
  const programs = resolve(options.programs ?? join("examples", "baselines"));
  const { peer, home, isNode } = installedPeer(name, options.environments);
  const account = options.account ?? name;
  const port = await freePort();
  const told = ["--port", `${port}`, "--base-url", proxy.url, "--api-key", account, "--dims", `${dims}`];
  const command = isNode ? process.execPath : join(home, "bin", "python");
  const child = spawn(command, [join(programs, peer.program), ...told, ...peer.args], {
    // A Node server finds its package from here, a Python one its neighbor `protocol.py`.
    cwd: isNode ? home : programs,
    // The server ends when its input does, so that it does not outlive a killed harness.
    stdio: ["pipe", "pipe", "pipe"],
    // No other variables: another project's memory must not see the caller's keys.
    env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "", PYTHONUNBUFFERED: "1" },
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => onLog?.(String(data)));
  const system = new HttpMemorySystem({
    name,
    url: `http://127.0.0.1:${port}`,
    meter: () => proxy.usage(account),
  });
  const stop = async () => {
    child.stdin.end();
    const slow = setTimeout(() => child.kill("SIGKILL"), 5000);
    await exited;
    clearTimeout(slow);
  };
  try {
    await system.ready(START_MS);
  } catch (error) {
    await stop();
    throw error;
  }
  return { system, stop };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      const port = typeof address === "object" && address ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}
