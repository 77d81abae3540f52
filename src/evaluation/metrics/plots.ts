/** Two plots of a recording as SVG: rewards by group, prompt tokens by step. Pure. */
import type { Figures } from "./figures.js";
import type { RecordingStats } from "./recording-stats.js";

const WIDTH = 720;
const HEIGHT = 320;
const MARGIN = { left: 56, right: 16, top: 32, bottom: 40 };

/** A plot: each point has a value and the range around it. */
interface Plot {
  title: string;
  x: string;
  y: string;
  points: { value: number; low: number; high: number }[];
  /** Whether to connect the values. */
  line: boolean;
}

/** Mean and range of the reward in each group, ordered by mean. */
export function rewardPlot({ groups }: RecordingStats): string {
  const points = [...groups.rewards]
    .sort((a, b) => a.mean - b.mean)
    .map(({ mean, min, max }) => ({ value: mean, low: min, high: max }));
  return draw({
    title: "Reward by group (mean, least, greatest)",
    x: "group, by mean",
    y: "R",
    points,
    line: false,
  });
}

/** Mean and range of the prompt tokens at each step. */
export function tokenPlot({ promptTokensByStep }: RecordingStats): string {
  const points = promptTokensByStep
    .filter(known)
    .map(({ mean, min, max }) => ({ value: mean, low: min, high: max }));
  return draw({ title: "Prompt tokens by step (mean, range)", x: "step", y: "tokens", points, line: true });
}

function known(figures: Figures): figures is Figures & { mean: number; min: number; max: number } {
  return figures.mean !== null;
}

function draw({ title, x, y, points, line }: Plot): string {
  const lows = points.map((point) => point.low);
  const highs = points.map((point) => point.high);
  const bottom = Math.min(0, ...lows);
  const top = Math.max(bottom + 1e-9, ...highs);
  const inner = { width: WIDTH - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
  const atX = (i: number): string =>
    (MARGIN.left + ((i + 0.5) / Math.max(1, points.length)) * inner.width).toFixed(1);
  const atY = (value: number): string =>
    (MARGIN.top + (1 - (value - bottom) / (top - bottom)) * inner.height).toFixed(1);
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => bottom + share * (top - bottom));
  const grid = ticks.map(
    (tick) =>
      `<line x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${atY(tick)}" y2="${atY(tick)}" stroke="#ddd"/>` +
      `<text x="${MARGIN.left - 6}" y="${atY(tick)}" text-anchor="end" dominant-baseline="middle">${label(tick)}</text>`,
  );
  const ranges = points.map(
    ({ low, high }, i) =>
      `<line x1="${atX(i)}" x2="${atX(i)}" y1="${atY(low)}" y2="${atY(high)}" stroke="#9bb8d8"/>`,
  );
  const dots = points.map(
    ({ value }, i) => `<circle cx="${atX(i)}" cy="${atY(value)}" r="2.5" fill="#1f4e8c"/>`,
  );
  const path = points.map(({ value }, i) => `${atX(i)},${atY(value)}`).join(" ");
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="11">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${MARGIN.left}" y="18" font-size="13">${title}</text>`,
    ...grid,
    ...ranges,
    ...(line ? [`<polyline points="${path}" fill="none" stroke="#1f4e8c"/>`] : []),
    ...dots,
    `<text x="${WIDTH / 2}" y="${HEIGHT - 10}" text-anchor="middle">${x} (${points.length})</text>`,
    `<text x="14" y="${HEIGHT / 2}" text-anchor="middle" transform="rotate(-90 14 ${HEIGHT / 2})">${y}</text>`,
    "</svg>",
    "",
  ].join("\n");
}

function label(value: number): string {
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(2);
}
