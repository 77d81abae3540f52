/** Growable typed arrays: the columns of the vector table. Pure. */

type NumericArray = Float64Array<ArrayBufferLike> | Int32Array<ArrayBufferLike>;

/** A growable column of numbers. */
export class Column<T extends NumericArray> {
  #data: T;
  length = 0;

  constructor(private readonly type: new (length: number) => T) {
    this.#data = new type(64);
  }

  push(value: number): void {
    if (this.length === this.#data.length) this.reserve(Math.max(64, this.length * 2));
    this.#data[this.length++] = value;
  }

  at(index: number): number {
    return this.#data[index] as number;
  }

  set(index: number, value: number): void {
    this.#data[index] = value;
  }

  /** Makes room for `capacity` numbers. */
  reserve(capacity: number): void {
    if (capacity <= this.#data.length) return;
    const grown = new this.type(capacity);
    grown.set(this.#data);
    this.#data = grown;
  }

  /** Takes an array over as the content. */
  replace(data: T): void {
    this.#data = data;
    this.length = data.length;
  }

  /** The filled part (shared memory). */
  view(): T {
    return this.#data.subarray(0, this.length) as T;
  }
}

/** A growable list of 32-bit integers that starts small: one per namespace. */
export class IntegerList {
  #data = new Int32Array(4);
  length = 0;

  static from(values: Int32Array): IntegerList {
    const list = new IntegerList();
    list.#data = Int32Array.from(values);
    list.length = values.length;
    return list;
  }

  push(value: number): void {
    if (this.length === this.#data.length) {
      const grown = new Int32Array(Math.max(4, this.length * 2));
      grown.set(this.#data);
      this.#data = grown;
    }
    this.#data[this.length++] = value;
  }

  view(): Int32Array {
    return this.#data.subarray(0, this.length);
  }
}
