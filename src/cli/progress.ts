/** A progress bar on standard error with rate, time left and mean reward; plain lines if there is no terminal. */
import { Presets, SingleBar } from "cli-progress";

/** The progress display of a long command. */
export interface ProgressBar {
  /** @param figures for rollouts only */
  update(done: number, figures?: { meanReward: number | null; failed: number }): void;
  /** Safe to call twice. */
  stop(): void;
}

/** Shows the progress of a run of `total` units. */
export function createProgress(unit: string, total: number): ProgressBar {
  const startedAt = Date.now();
  const bar = new SingleBar(
    {
      format: `{bar} {value}/{total} ${unit} | {rate}/s | {left} left{figures}`,
      stream: process.stderr,
      // Without a terminal, print a line now and then, so that a log shows progress.
      noTTYOutput: true,
      notTTYSchedule: 5000,
      hideCursor: true,
    },
    Presets.shades_classic,
  );
  const blank = { rate: "-", left: "-", figures: "" };
  bar.start(total, 0, blank);
  let running = true;
  return {
    update(done, figures) {
      const rate = done / Math.max(0.001, (Date.now() - startedAt) / 1000);
      bar.update(done, {
        rate: rate.toFixed(1),
        left: `${Math.ceil((total - done) / rate)} s`,
        figures: figures
          ? ` | mean reward ${figures.meanReward?.toFixed(3) ?? "-"} | failed ${figures.failed}`
          : "",
      });
    },
    stop() {
      if (running) bar.stop();
      running = false;
    },
  };
}
