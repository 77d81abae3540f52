/** Running figures: count, mean, spread and range of numbers that are not kept. Pure. */

/** What is known of a list of numbers. */
export interface Figures {
  n: number;
  /** Null without numbers. */
  mean: number | null;
  /** Sample standard deviation; null below two numbers. */
  std: number | null;
  min: number | null;
  max: number | null;
}

/** Adds numbers one by one (Welford's method); null is not counted. */
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

/** One tally per name, made when first asked for. */
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
