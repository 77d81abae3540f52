/**
 * Vacuums the store now and then: the rows of discarded forks stay in it and slow down every search until it does.
 *
 * Owns when that happens. Keeps everything that the base store or an open fork can read, including earlier versions.
 */
import type { VersionedStore } from "../types.js";

/** A store that can remove unreadable rows, such as `FaissStore`. */
interface Vacuuming {
  vacuum(options: { keepRevisions: number; shrink: boolean }): Promise<unknown>;
}

/** Counts finished rollouts and vacuums after every 64th; does nothing for a store without `vacuum`. */
export class Sweeper {
  private count = 0;
  private latest: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly store: VersionedStore,
    private readonly every = 64,
  ) {}

  /** Call after a fork was discarded. Resolves at once, or after the vacuum if one is due or under way. */
  async discarded(): Promise<void> {
    if (!canVacuum(this.store)) return;
    const { store } = this;
    if (++this.count % this.every === 0) {
      this.latest = this.latest.then(() =>
        store.vacuum({ keepRevisions: Number.MAX_SAFE_INTEGER, shrink: false }),
      );
    }
    await this.latest;
  }
}

function canVacuum(store: VersionedStore): store is VersionedStore & Vacuuming {
  return "vacuum" in store;
}
