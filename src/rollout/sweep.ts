/**
 * What discarded forks leave behind: their rows stay in the store, and slow every search down, until a vacuum.
 *
 * Owns when that happens. Nothing that the base store or an open fork can read is touched, earlier versions included.
 */
import type { VersionedStore } from "../types.js";

/** A store that can remove rows nobody can read any more, as `FaissStore` can. */
interface Vacuuming {
  vacuum(options: { keepRevisions: number; shrink: boolean }): Promise<unknown>;
}

/** Counts finished rollouts and vacuums after every so many; does nothing for a store without vacuum. */
export class Sweeper {
  private count = 0;
  private latest: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly store: VersionedStore,
    private readonly every = 64,
  ) {}

  /** Call when a fork was discarded; resolves when the store is swept if that is due or under way. */
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
