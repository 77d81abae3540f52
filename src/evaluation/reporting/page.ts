/** A report as one HTML page that opens offline, without scripts, external fonts or external images. Pure. */
import { escapeXml } from "../../text/escaping.js";
import type { ReportPlot } from "./plots.js";
import type { ReportTable } from "./tables.js";

/** The content of a page, from top to bottom. */
export interface ReportPage {
  title: string;
  /** Names and values, such as the settings of the runs. */
  facts: readonly (readonly [string, string])[];
  sections: readonly {
    heading: string;
    note?: string;
    tables: readonly ReportTable[];
    plots: readonly ReportPlot[];
  }[];
}

const STYLE = `
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; border-bottom: 1px solid #ccc; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; } dt { color: #555; } dd { margin: 0; overflow-wrap: anywhere; }
.table { overflow-x: auto; margin: 1.25rem 0; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: .3rem; }
th, td { border-bottom: 1px solid #ddd; padding: .25rem .7rem; text-align: left; white-space: nowrap; }
th { background: #f4f4f4; } tr.theirs td { color: #666; font-style: italic; }
td small { display: block; color: #666; }
figure { margin: 1rem 0; } svg { max-width: 100%; height: auto; border: 1px solid #ddd; }
@media print { .table { overflow: visible; } }
`;

/** @example toPage({ title: "Evaluation", facts: [], sections: [] }) */
export function toPage({ title, facts, sections }: ReportPage): string {
  const list = facts
    .map(([name, value]) => `<dt>${escapeXml(name)}</dt><dd>${escapeXml(value)}</dd>`)
    .join("");
  const body = sections
    .filter(({ tables, plots }) => tables.length + plots.length > 0)
    .map(
      ({ heading, note, tables, plots }) =>
        `<h2>${escapeXml(heading)}</h2>${note ? `<p>${escapeXml(note)}</p>` : ""}${plots
          .map(({ svg }) => `<figure>${svg}</figure>`)
          .join("")}${tables.map(tableHtml).join("")}`,
    );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeXml(title)}</title><style>${STYLE}</style></head>
<body><h1>${escapeXml(title)}</h1><dl>${list}</dl>${body.join("\n")}</body></html>
`;
}

function tableHtml({ caption, head, rows }: ReportTable): string {
  const cells = (tag: string, list: readonly string[]): string =>
    list.map((cell) => `<${tag}>${cellHtml(cell)}</${tag}>`).join("");
  const lines = rows.map(
    (row) => `<tr${row[0]?.startsWith("the paper's") ? ' class="theirs"' : ""}>${cells("td", row)}</tr>`,
  );
  return `<div class="table"><table><caption>${escapeXml(caption)}</caption><thead><tr>${cells("th", head)}</tr></thead><tbody>${lines.join("")}</tbody></table></div>`;
}

/** An interval is set below its mean, which keeps tables narrow. */
function cellHtml(cell: string): string {
  const at = cell.indexOf(" [");
  return at < 0
    ? escapeXml(cell)
    : `${escapeXml(cell.slice(0, at))}<small>${escapeXml(cell.slice(at + 1))}</small>`;
}
