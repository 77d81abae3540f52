/**
 * Counts the memory that FAISS holds outside the JavaScript heap, in the whole process.
 *
 * faiss-node cannot free an index. The garbage collector does that when it finds the object, but since it does not know
 * how much memory depends on it, that may take forever. A dropped index therefore counts until it is really gone, so
 * that the total stays within the limit.
 */

/** The memory of one FAISS object. */
export interface NativeShare {
  bytes: number;
}

export class NativeMemory {
  #bytes = 0;
  readonly #collected = new FinalizationRegistry<NativeShare>((share) => {
    this.#bytes -= share.bytes;
  });

  /** Bytes held by objects in use, and by dropped ones that have not been collected yet. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Starts to count the memory of `owner`, until it is collected. */
  track(owner: object): NativeShare {
    const share = { bytes: 0 };
    this.#collected.register(owner, share);
    return share;
  }

  /**
   * Runs `grow` if a share may grow to `bytes`, and returns whether it did. While an array grows, its old and new
   * memory exist at the same time, so both must fit.
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

/** The count for this process, which all stores share. */
export const nativeMemory = new NativeMemory();
