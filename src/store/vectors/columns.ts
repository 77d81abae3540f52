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

  /** Makes an array the content. */
  replace(data: T): void {
    this.#data = data;
    this.length = data.length;
  }

  /** The filled part, which shares the column's memory. */
  view(): T {
    return this.#data.subarray(0, this.length) as T;
  }
}

/** A growable column of whole numbers and infinity: 4 bytes each while all numbers fit, else 8. */
export class WholeColumn {
  #data: Uint32Array<ArrayBufferLike> | Float64Array<ArrayBufferLike> = new Uint32Array(64);
  length = 0;

  push(value: number): void {
    if (this.length === this.#data.length) this.#grow(Math.max(64, this.length * 2));
    this.set(this.length++, value);
  }

  at(index: number): number {
    return this.#meant(this.#data[index] as number);
  }

  set(index: number, value: number): void {
    if (!fits(value)) this.#widen();
    // In 4 bytes, infinity becomes the largest number.
    this.#data[index] = value === Number.POSITIVE_INFINITY && !this.#isWide ? INFINITE : value;
  }

  /** Makes an array's numbers the content. */
  replace(data: Float64Array): void {
    this.length = data.length;
    // Loops, because a function called for each number takes much of the time of opening a large store.
    const narrow = new Uint32Array(data.length);
    for (let i = 0; i < data.length; i++) {
      const value = data[i] as number;
      if (!fits(value)) {
        this.#data = data;
        return;
      }
      narrow[i] = value === Number.POSITIVE_INFINITY ? INFINITE : value;
    }
    this.#data = narrow;
  }

  /** A copy of the numbers from one place to another. */
  numbers(from: number, end: number): Float64Array {
    return Float64Array.from(this.#data.subarray(from, end), (value) => this.#meant(value));
  }

  /** Bytes of one number. */
  get bytesEach(): number {
    return this.#data.BYTES_PER_ELEMENT;
  }

  get #isWide(): boolean {
    return this.#data instanceof Float64Array;
  }

  #meant(value: number): number {
    return value === INFINITE && !this.#isWide ? Number.POSITIVE_INFINITY : value;
  }

  #widen(): void {
    if (!this.#isWide) this.#data = Float64Array.from(this.#data, (value) => this.#meant(value));
  }

  #grow(capacity: number): void {
    const grown = this.#data instanceof Uint32Array ? new Uint32Array(capacity) : new Float64Array(capacity);
    grown.set(this.#data);
    this.#data = grown;
  }
}

/** A growable column of whole numbers of 0 or more that are mostly small: 2 bytes each while all fit, else 4. */
export class SmallColumn {
  #data: Uint16Array<ArrayBufferLike> | Int32Array<ArrayBufferLike> = new Uint16Array(64);
  length = 0;

  push(value: number): void {
    if (this.length === this.#data.length) {
      const capacity = Math.max(64, this.length * 2);
      const grown = this.#data instanceof Uint16Array ? new Uint16Array(capacity) : new Int32Array(capacity);
      grown.set(this.#data);
      this.#data = grown;
    }
    if (!isSmall(value) && this.#data instanceof Uint16Array) this.#data = Int32Array.from(this.#data);
    this.#data[this.length++] = value;
  }

  at(index: number): number {
    return this.#data[index] as number;
  }

  /** Makes an array's numbers the content. */
  replace(data: Int32Array): void {
    this.length = data.length;
    const small = new Uint16Array(data.length);
    for (let i = 0; i < data.length; i++) {
      const value = data[i] as number;
      if (!isSmall(value)) {
        this.#data = data;
        return;
      }
      small[i] = value;
    }
    this.#data = small;
  }

  /** A copy of the numbers from one place to another. */
  numbers(from: number, end: number): Int32Array {
    return Int32Array.from(this.#data.subarray(from, end));
  }

  /** The filled part, which shares the column's memory until the next number is pushed. */
  view(): ArrayLike<number> {
    return this.#data.subarray(0, this.length);
  }

  /** Bytes of one number. */
  get bytesEach(): number {
    return this.#data.BYTES_PER_ELEMENT;
  }
}

const isSmall = (value: number): boolean => value >= 0 && value < 2 ** 16;

/** How infinity is held in 4 bytes. */
const INFINITE = 2 ** 32 - 1;

const fits = (value: number): boolean => value < INFINITE || value === Number.POSITIVE_INFINITY;

/** A growable list of 32-bit integers that starts small, because there is one per namespace. */
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
