/** Inner products and lengths of single-precision vectors. Pure. */

/** Inner products of four rows of one array; from several arrays it would take twice the time. */
export function dotFour(
  rows: Float32Array,
  a: number,
  b: number,
  c: number,
  d: number,
  unit: Float64Array,
  out: Float64Array,
  at: number,
): void {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  const dims = unit.length;
  for (let j = 0; j < dims; j++) {
    const x = unit[j] as number;
    s0 += (rows[a + j] as number) * x;
    s1 += (rows[b + j] as number) * x;
    s2 += (rows[c + j] as number) * x;
    s3 += (rows[d + j] as number) * x;
  }
  out[at] = s0;
  out[at + 1] = s1;
  out[at + 2] = s2;
  out[at + 3] = s3;
}

/** Inner product summed in one order, with the same bits as {@link dotFour}. */
export function dotInOrder(row: Float32Array, from: number, unit: Float64Array, dims: number): number {
  let sum = 0;
  for (let j = 0; j < dims; j++) sum += (row[from + j] as number) * (unit[j] as number);
  return sum;
}

/** Inner product of the parts of `a` and `b` that start at `from` and `start`. */
export function dot(a: Float32Array, from: number, b: Float32Array, dims: number, start = 0): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  const whole = dims & ~3;
  let i = 0;
  for (; i < whole; i += 4) {
    s0 += (a[from + i] as number) * (b[start + i] as number);
    s1 += (a[from + i + 1] as number) * (b[start + i + 1] as number);
    s2 += (a[from + i + 2] as number) * (b[start + i + 2] as number);
    s3 += (a[from + i + 3] as number) * (b[start + i + 3] as number);
  }
  for (; i < dims; i++) s0 += (a[from + i] as number) * (b[start + i] as number);
  return s0 + s1 + s2 + s3;
}

/** A copy scaled to length 1. */
export function normalise(vector: Float32Array): Float32Array {
  const out = new Float32Array(vector.length);
  normaliseInto(out, 0, vector);
  return out;
}

/** Writes a vector scaled to length 1 into `target` at `at`. */
export function normaliseInto(target: Float32Array, at: number, vector: Float32Array): void {
  let largest = 0;
  for (const component of vector) largest = Math.max(largest, Math.abs(component));
  if (largest === 0) return;
  // Scaling by the largest component first keeps huge and tiny vectors from overflowing or vanishing.
  let sum = 0;
  for (const component of vector) sum += (component / largest) ** 2;
  const factor = Math.sqrt(sum);
  for (let i = 0; i < vector.length; i++) target[at + i] = (vector[i] as number) / largest / factor;
}
