/** A small cache with stamps: an entry counts while its stamp is the current one. Pure. */
export class StampedCache<T> {
  readonly #entries = new Map<string, { stamp: string; value: T; weight: number }>();
  #weight = 0;

  /**
   * @param weigh size of a value
   * @param capacity sum of sizes kept; the oldest entries go first
   */
  constructor(
    private readonly weigh: (value: T) => number,
    private readonly capacity: number,
  ) {}

  /** The value of the stamp, made when there is none or `holds` says that it no longer counts. */
  get(key: string, stamp: string, make: () => T, holds: (value: T) => boolean = () => true): T {
    const known = this.#entries.get(key);
    if (known?.stamp === stamp && holds(known.value)) return known.value;
    if (known) this.#drop(key, known.weight);
    const value = make();
    const weight = this.weigh(value) + 1;
    this.#entries.set(key, { stamp, value, weight });
    this.#weight += weight;
    for (const [oldest, entry] of this.#entries) {
      if (this.#weight <= this.capacity || oldest === key) break;
      this.#drop(oldest, entry.weight);
    }
    return value;
  }

  clear(): void {
    this.#entries.clear();
    this.#weight = 0;
  }

  #drop(key: string, weight: number): void {
    this.#entries.delete(key);
    this.#weight -= weight;
  }
}
