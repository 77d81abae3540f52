/**
 * Figures of AgeMem's paper (arXiv 2601.01885) for AgeMem and the memories it compares with. Their judges, prompts and
 * data differ from ours, so that a difference from a figure of ours proves nothing. Data only.
 */

/** The paper's five benchmarks: our suite, its heading there, and what is measured. */
export const PAPER_SUITES = [
  { suite: "alfworld", title: "ALFWorld", metric: "success", short: "SR" },
  { suite: "scienceworld", title: "SciWorld", metric: "success", short: "SR" },
  { suite: "pddl", title: "PDDL", metric: "progress", short: "PR" },
  { suite: "babyai", title: "BabyAI", metric: "success", short: "SR" },
  { suite: "hotpotqa", title: "HotpotQA", metric: "j", short: "J" },
] as const;

/** One row of the paper's table 2, in percent and in the order of {@link PAPER_SUITES}, with its own average. */
export interface PaperRow {
  model: PaperModel;
  name: string;
  /** Its name here. */
  system: string;
  figures: readonly number[];
  average: number;
}

/** Base models of the paper's tables. */
export const PAPER_MODELS = ["Qwen2.5-7B", "Qwen3-4B"] as const;
export type PaperModel = (typeof PAPER_MODELS)[number];

const NAMES = [
  ["No-Memory", "no-memory"],
  ["LangMem", "langmem"],
  ["A-Mem", "a-mem"],
  ["Mem0", "mem0"],
  ["Mem0-graph", "mem0-graph"],
  ["AgeMem-noRL", "agemem-no-rl"],
  ["AgeMem", "agemem"],
] as const;

const RESULTS: Readonly<Record<PaperModel, readonly (readonly number[])[]>> = {
  "Qwen2.5-7B": [
    [27.16, 13.8, 10.15, 50.8, 38.36, 28.05],
    [38.27, 28.29, 15.85, 51.34, 37.43, 34.23],
    [34.68, 28.06, 18.39, 58.82, 43.95, 36.78],
    [37.49, 26.99, 13.96, 60.58, 46.66, 37.14],
    [35.34, 30.5, 14.86, 58.78, 42.06, 36.31],
    [37.9, 28.67, 8.87, 46.34, 45.36, 33.43],
    [41.07, 35.55, 17.31, 61.42, 54.44, 41.96],
  ],
  "Qwen3-4B": [
    [38.51, 47.89, 30.14, 55.83, 47.48, 43.97],
    [40.89, 50.42, 28.42, 53.8, 42.7, 43.25],
    [34.31, 50.14, 34.41, 61.35, 48.48, 45.74],
    [41.17, 51.38, 31.72, 60.05, 39.16, 44.7],
    [36.69, 47.76, 29.61, 57.59, 38.12, 41.95],
    [38.02, 50.42, 27.52, 57.48, 54.49, 45.59],
    [48.97, 59.48, 35.07, 72.56, 55.49, 54.31],
  ],
};

export const PAPER_ROWS: readonly PaperRow[] = PAPER_MODELS.flatMap((model) =>
  RESULTS[model].map((row, i): PaperRow => {
    const [name = "", system = ""] = NAMES[i] ?? [];
    return { model, name, system, figures: row.slice(0, -1), average: row.at(-1) ?? Number.NaN };
  }),
);

/**
 * AgeMem after training, on HotpotQA: calls of each operation per episode, memory quality, prompt tokens saved against
 * "-RAG".
 */
export const PAPER_HOTPOTQA: Readonly<
  Record<PaperModel, { calls: Readonly<Record<string, number>>; mq: number; j: number; savedPercent: number }>
> = {
  "Qwen2.5-7B": {
    calls: { ADD: 1.64, UPDATE: 0.13, DELETE: 0.08, RETRIEVE: 1.95, SUMMARY: 0.82, FILTER: 0.31 },
    mq: 0.533,
    j: 54.44,
    savedPercent: 3.1,
  },
  "Qwen3-4B": {
    calls: { ADD: 2.64, UPDATE: 0.34, DELETE: 0.22, RETRIEVE: 4.35, SUMMARY: 0.96, FILTER: 0.16 },
    mq: 0.605,
    j: 55.49,
    savedPercent: 5.1,
  },
};

/** The paper's base models that match the name of a run's model; all of them if none matches. */
export function paperModelsFor(models: readonly string[]): PaperModel[] {
  const plain = (name: string): string => name.toLowerCase().replace(/[^a-z0-9.]/g, "");
  const meant = PAPER_MODELS.filter((each) => models.some((name) => plain(name).includes(plain(each))));
  return meant.length > 0 ? meant : [...PAPER_MODELS];
}
