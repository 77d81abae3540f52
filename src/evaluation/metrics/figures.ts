/** Running statistics: count, mean, spread and range of numbers, without keeping the numbers. Pure. */

/** Statistics of a list of numbers. */
export interface Figures {
  n: number;
  /** Null without numbers. */
  mean: number | null;
  /** Sample standard deviation; null for fewer than two numbers. */
  std: number | null;
  min: number | null;
  max: number | null;
}

/** Adds numbers one by one (Welford's method). Ignores null. */
export class RunningFigures {
  private n = 0;
  private mean = 0;
  private squares = 0;
  private min = Number.POSITIVE_INFINITY;
  private max = Number.NEGATIVE_INFINITY;

  add(value: number | null | undefined): void {
    if (value === null || value === undefined) return;
    this.n++;
    const delta = value - this.mean;
    this.mean += delta / this.n;
    this.squares += delta * (value - this.mean);
    this.min = Math.min(this.min, value);
    this.max = Math.max(this.max, value);
  }

  get figures(): Figures {
    const { n } = this;
    if (n === 0) return { n, mean: null, std: null, min: null, max: null };
    const std = n > 1 ? Math.sqrt(this.squares / (n - 1)) : null;
    return { n, mean: this.mean, std, min: this.min, max: this.max };
  }
}

/** One {@link RunningFigures} per name, made when first used. */
export class FiguresByName {
  private readonly byName = new Map<string, RunningFigures>();

  at(name: string): RunningFigures {
    const known = this.byName.get(name);
    if (known) return known;
    const tally = new RunningFigures();
    this.byName.set(name, tally);
    return tally;
  }

  get figures(): Record<string, Figures> {
    return Object.fromEntries([...this.byName].map(([name, tally]) => [name, tally.figures]));
  }
}
