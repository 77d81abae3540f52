/**
 * Horizontal bars as SVG text: stacked parts, an interval, a legend. Pure, and without a library, because a report
 * needs only a scale and a row of labels (docs/evaluation.md has the size of libraries).
 *
 * Owns the drawing; labels are left of the bars and are cut to fit, so that none overlap. Leaves out the figures
 * (`plots.ts`).
 */
import { escapeXml } from "../../text/escaping.js";

/** One bar. */
export interface Bar {
  label: string;
  /** Stacked from the left, in the order of the chart's series; null for a figure that nobody reported. */
  values: readonly (number | null)[];
  /** Interval of the sum, drawn as a line. */
  low?: number;
  high?: number;
  /** A figure from another source: drawn as an outline. */
  theirs?: boolean;
}

/** What is drawn. */
export interface BarChart {
  title: string;
  /** Label of the axis. */
  unit: string;
  /** Names of the stacked parts; with two or more a legend is drawn. */
  series: readonly string[];
  bars: readonly Bar[];
  /** End of the axis; default the largest value, rounded up. */
  max?: number;
}

const WIDTH = 760;
const LABEL = 210;
const RIGHT = 84;
const ROW = 24;
const CHARACTERS = 32;
/** Okabe and Ito's colors, which people with any color vision tell apart. */
const COLORS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c8c8c", "#f0e442"];
/** Color of bars without parts, light enough that the interval is visible on it. */
const PLAIN = "#8cbfe6";
const INK = "#222222";

/** @example barChart({ title: "J", unit: "percent", series: ["J"], bars: [{ label: "a", values: [50] }] }) */
export function barChart(chart: BarChart): string {
  const { title, unit, series, bars } = chart;
  const legend = series.length > 1 ? legendRows(series) : [];
  const top = 34 + 20 * legend.length;
  const bottom = top + ROW * bars.length;
  const ends = bars.map(({ values, high = 0 }) => Math.max(sum(values), high));
  const ticks = ticksTo(chart.max ?? Math.max(0, ...ends));
  const last = ticks.at(-1) ?? 1;
  const at = (value: number): number => LABEL + (value / last) * (WIDTH - LABEL - RIGHT);
  const grid = ticks.map((tick) => {
    const x = at(tick).toFixed(1);
    return `<line x1="${x}" x2="${x}" y1="${top}" y2="${bottom}" stroke="#e0e0e0"/><text x="${x}" y="${bottom + 15}" text-anchor="middle">${number(tick)}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${bottom + 40}" width="${WIDTH}" font-family="system-ui, sans-serif" font-size="12" fill="${INK}" role="img" aria-label="${escapeXml(title)}">`,
    `<rect width="${WIDTH}" height="${bottom + 40}" fill="#ffffff"/>`,
    `<text x="8" y="20" font-size="14" font-weight="600">${escapeXml(title)}</text>`,
    ...legend.flatMap((row, i) => legendRow(row, 34 + 20 * i)),
    ...grid,
    ...bars.map((bar, i) => barRow(bar, top + ROW * i, at)),
    `<text x="${((LABEL + WIDTH - RIGHT) / 2).toFixed(0)}" y="${bottom + 33}" text-anchor="middle">${escapeXml(unit)}</text>`,
    "</svg>",
    "",
  ].join("\n");
}

function barRow({ label, values, low, high, theirs }: Bar, y: number, at: (value: number) => number): string {
  const middle = y + ROW / 2;
  const parts: string[] = [
    `<text x="${LABEL - 8}" y="${middle}" text-anchor="end" dominant-baseline="central"${theirs ? ' fill="#666666"' : ""}><title>${escapeXml(label)}</title>${escapeXml(cut(label))}</text>`,
  ];
  let from = 0;
  for (const [i, value] of values.entries()) {
    if (!value) continue;
    const [x, width] = [at(from), at(from + value) - at(from)];
    const paint = theirs
      ? 'fill="#ffffff" stroke="#666666" stroke-dasharray="4 2"'
      : `fill="${values.length === 1 ? PLAIN : COLORS[i % COLORS.length]}"`;
    parts.push(
      `<rect x="${x.toFixed(1)}" y="${y + 4}" width="${width.toFixed(1)}" height="${ROW - 8}" ${paint}/>`,
    );
    from += value;
  }
  if (low !== undefined && high !== undefined && high > low) {
    parts.push(
      `<path d="M${at(low).toFixed(1)} ${middle}H${at(high).toFixed(1)}M${at(low).toFixed(1)} ${middle - 4}v8M${at(high).toFixed(1)} ${middle - 4}v8" stroke="${INK}" fill="none"/>`,
    );
  }
  const missing = values.includes(null);
  const told = missing && from === 0 ? "not reported" : `${missing ? "over " : ""}${number(from)}`;
  const end = at(Math.max(from, high ?? 0)) + 6;
  parts.push(`<text x="${end.toFixed(1)}" y="${middle}" dominant-baseline="central">${told}</text>`);
  return parts.join("");
}

/** Names with their colors, as many in a row as fit. */
function legendRows(series: readonly string[]): { name: string; color: string; x: number }[][] {
  const rows: { name: string; color: string; x: number }[][] = [];
  let x = WIDTH;
  for (const [i, name] of series.entries()) {
    const width = 34 + 8.5 * name.length;
    if (x + width > WIDTH) {
      rows.push([]);
      x = 8;
    }
    rows.at(-1)?.push({ name, color: COLORS[i % COLORS.length] ?? INK, x });
    x += width;
  }
  return rows;
}

function legendRow(row: ReturnType<typeof legendRows>[number], y: number): string[] {
  return row.map(
    ({ name, color, x }) =>
      `<rect x="${x}" y="${y}" width="12" height="12" fill="${color}"/><text x="${x + 17}" y="${y + 6}" dominant-baseline="central">${escapeXml(name)}</text>`,
  );
}

/** Round numbers from 0 to at least `most`, four to eight of them. */
function ticksTo(most: number): number[] {
  if (!(most > 0)) return [0, 1];
  const rough = most / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 2.5, 5, 10].find((each) => each * power >= rough) ?? 10) * power;
  const count = Math.ceil(most / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, i) => i * step);
}

function sum(values: readonly (number | null)[]): number {
  return values.reduce((total: number, value) => total + (value ?? 0), 0);
}

function cut(label: string): string {
  return label.length <= CHARACTERS ? label : `${label.slice(0, CHARACTERS - 1)}…`;
}

function number(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString("en");
  return String(Number(value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2)));
}
