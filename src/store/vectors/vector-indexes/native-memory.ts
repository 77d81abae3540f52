/**
 * How much memory FAISS holds outside of the JavaScript heap, in the whole process.
 *
 * faiss-node has no way to free an index: its memory goes when the garbage collector finds the object, and the
 * collector does not know how much hangs on it, so it may take for ever. Therefore what was dropped counts until it
 * is really gone, and nothing grows beyond the limit meanwhile.
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

  /** Bytes held by objects in use and by dropped ones that were not collected yet. */
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
   * Runs `grow` when a share may become `bytes` large, and returns whether it did. While an array grows its old and its
   * new room exist side by side, so both must fit.
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
