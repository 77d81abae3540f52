/** Read-only handles, which show a store as it was at one version. */
import type { StoreVersion } from "../types.js";
import type { Engine } from "./engine.js";
import { StoreHandle } from "./store-handle.js";

/** A read-only view of one version of a store, made by `FaissStore.at()`. */
export class FaissStoreView extends StoreHandle {
  readonly #version: StoreVersion;

  private constructor(engine: Engine, version: StoreVersion, branch: number) {
    const { ledger } = engine;
    super(engine, {
      branch: null,
      view: () => {
        // A vacuum or discard may have removed the version since.
        ledger.branches.resolve(version, ledger.newestRevision());
        return ledger.branches.view(branch, version.revision);
      },
    });
    this.#version = version;
  }

  /** @internal */
  static of(engine: Engine, version: StoreVersion): FaissStoreView {
    const { ledger, transactions } = engine;
    const { id } = transactions.read(() => ledger.branches.resolve(version, ledger.newestRevision()));
    return new FaissStoreView(engine, { ...version }, id);
  }

  /** The version that this view shows. */
  version(): StoreVersion {
    return this.#version;
  }
}
