/**
 * Servers of other projects' memories for an evaluation: started as cases need them, behind one counting endpoint, used again by
 * later cases, and stopped at the end.
 *
 * A server serves one case at a time, and one that failed is not used again. Leaves out starting one (`peers.ts`).
 */
import { EnvironmentError } from "../../errors.js";
import type { MemorySystem } from "./memory-system.js";
import { ModelProxy, type ProxyBackend } from "./model-proxy.js";
import { installedPeer, type Peer, type PeerOptions, startPeer } from "./peers.js";

/** Options of {@link PeerPool.open}. */
export interface PeerPoolOptions extends Pick<PeerOptions, "dims" | "programs" | "environments"> {
  /** Memories that will be asked for; refused here if they are not installed. */
  names: readonly string[];
  /** Answers their model calls. */
  backend: ProxyBackend;
}

export class PeerPool {
  readonly #idle = new Map<string, Peer[]>();
  readonly #running = new Set<Peer>();
  #started = 0;

  private constructor(
    private readonly options: PeerPoolOptions,
    private readonly proxy: ModelProxy,
  ) {}

  /**
   * Starts the endpoint, and no server yet.
   *
   * @throws ConfigError `AGEMEM_CONFIG_INVALID` for an unknown name, `AGEMEM_PACKAGE_MISSING` if it is not installed
   */
  static async open(options: PeerPoolOptions): Promise<PeerPool> {
    for (const name of options.names) installedPeer(name, options.environments);
    return new PeerPool(options, await ModelProxy.start(options.backend));
  }

  /**
   * A memory for one case; closing it gives its server back.
   *
   * @throws as {@link startPeer}
   */
  async take(name: string): Promise<MemorySystem> {
    const peer = this.#idle.get(name)?.pop() ?? (await this.#start(name));
    let failed = false;
    let open = true;
    const watched = async <T>(work: () => Promise<T>): Promise<T> => {
      try {
        return await work();
      } catch (error) {
        failed ||= error instanceof EnvironmentError;
        throw error;
      }
    };
    const { system } = peer;
    return {
      name,
      reset: (scope) => watched(() => system.reset(scope)),
      observe: (messages) => watched(() => system.observe(messages)),
      recall: (query, options) => watched(() => system.recall(query, options)),
      all: () => watched(() => system.all()),
      close: async () => {
        if (!open) return;
        open = false;
        if (failed) await this.#stop(peer);
        else this.#idle.set(name, [...(this.#idle.get(name) ?? []), peer]);
      },
    };
  }

  /** Stops all servers and the endpoint. */
  async close(): Promise<void> {
    await Promise.all([...this.#running].map((peer) => this.#stop(peer)));
    await this.proxy.close();
  }

  async #start(name: string): Promise<Peer> {
    const { dims, programs, environments } = this.options;
    const peer = await startPeer({
      name,
      proxy: this.proxy,
      // An account of its own, so that servers that run at the same time do not pay for each other.
      account: `${name}-${++this.#started}`,
      dims,
      ...(programs === undefined ? {} : { programs }),
      ...(environments === undefined ? {} : { environments }),
    });
    this.#running.add(peer);
    return peer;
  }

  async #stop(peer: Peer): Promise<void> {
    this.#running.delete(peer);
    await peer.stop();
  }
}
