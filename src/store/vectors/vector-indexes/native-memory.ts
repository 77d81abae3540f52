/**
 * How much memory FAISS holds outside of the JavaScript heap, in the whole process.
 *
 * faiss-node cannot free an index: its memory goes when the garbage collector finds the object, and the collector does
 * not know how much depends on it, so that may take forever. Therefore a dropped index counts until it is really gone,
 * and meanwhile nothing grows beyond the limit.
 */

/** What one FAISS object holds. */
export interface NativeShare {
  bytes: number;
}

export class NativeMemory {
  #bytes = 0;
  readonly #collected = new FinalizationRegistry<NativeShare>((share) => {
    this.#bytes -= share.bytes;
  });

  /** Bytes held by objects in use, and by dropped ones that are not collected yet. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Counts what `owner` will hold, from now until it is collected. */
  track(owner: object): NativeShare {
    const share = { bytes: 0 };
    this.#collected.register(owner, share);
    return share;
  }

  /**
   * Runs `grow` if a share may grow to `bytes`, and returns whether it did. While an array grows, its old and its new
   * memory exist side by side, so both must fit.
   */
  grow(share: NativeShare, bytes: number, limit: number, grow: () => void): boolean {
    const copies = bytes > share.bytes;
    if (copies && this.#bytes + bytes > limit) return false;
    grow();
    if (copies) {
      this.#bytes += bytes - share.bytes;
      share.bytes = bytes;
    }
    return true;
  }
}

/** The account of this process: all stores share it, since they share the memory. */
export const nativeMemory = new NativeMemory();
