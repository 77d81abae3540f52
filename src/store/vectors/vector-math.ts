/** Inner products and lengths of single-precision vectors. Pure. */

/**
 * Inner product that sums even and odd components separately, in the order of `dot-kernel.ts`, so that both give
 * exactly the same score. The row starts at `from`.
 */
export function dotInOrder(row: Float32Array, from: number, unit: Float64Array, dims: number): number {
  let even = 0;
  let odd = 0;
  const whole = dims & ~1;
  for (let j = 0; j < whole; j += 2) {
    even += (row[from + j] as number) * (unit[j] as number);
    odd += (row[from + j + 1] as number) * (unit[j + 1] as number);
  }
  if (whole < dims) even += (row[from + whole] as number) * (unit[whole] as number);
  return even + odd;
}

/** Inner product of `dims` components of `a`, starting at `from`, and of `b`, starting at `start`. */
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
export function normalize(vector: Float32Array): Float32Array {
  const out = new Float32Array(vector.length);
  normalizeInto(out, 0, vector);
  return out;
}

/** Writes a vector scaled to length 1 into `target` at `at`. */
export function normalizeInto(target: Float32Array, at: number, vector: Float32Array): void {
  let largest = 0;
  for (const component of vector) largest = Math.max(largest, Math.abs(component));
  if (largest === 0) return;
  // Dividing by the largest component first keeps huge vectors from overflowing and tiny ones from vanishing.
  let sum = 0;
  for (const component of vector) sum += (component / largest) ** 2;
  const factor = Math.sqrt(sum);
  for (let i = 0; i < vector.length; i++) target[at + i] = (vector[i] as number) / largest / factor;
}
