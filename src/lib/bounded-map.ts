/**
 * A map that starts again when it is full: for what is cheap to find once more.
 *
 * Owns the bound. Leaves out which entries are worth keeping: there is no order of use.
 */

/**
 * Holds `limit` entries at most: setting one more forgets all others.
 *
 * @example
 * const stems = new BoundedMap<string, string>(1000);
 * stems.set("walking", "walk");
 */
export class BoundedMap<K, V> extends Map<K, V> {
  constructor(private readonly limit: number) {
    super();
  }

  override set(key: K, value: V): this {
    if (this.size >= this.limit && !this.has(key)) this.clear();
    return super.set(key, value);
  }
}
