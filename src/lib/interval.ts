/** Confidence interval of a share that was counted on a sample. Pure. */

/** 0.975 quantile of the normal distribution. */
const Z = 1.959964;

/**
 * Wilson's 95 % interval of a share; [0, 1] if the sample is empty.
 *
 * @example
 * wilson(9, 10); // [0.596, 0.982] to three digits
 */
export function wilson(hits: number, of: number): [low: number, high: number] {
  if (of === 0) return [0, 1];
  const share = hits / of;
  const spread = Z ** 2 / of;
  const middle = share + spread / 2;
  const half = Z * Math.sqrt((share * (1 - share)) / of + spread / (4 * of));
  return [(middle - half) / (1 + spread), (middle + half) / (1 + spread)];
}
