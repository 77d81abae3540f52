/** The judge and price options of `agemem evaluate`. Owns reading a file of prices. */
import type { Command } from "commander";
import { z } from "zod";
import { ConfigError, InputError } from "../../errors.js";
import type { EvaluationPrice } from "../../evaluation/metrics/price.js";
import { readJson } from "../../lib/jsonl.js";
import type { Judge } from "../../rewards/judge.js";
import { amount } from "../arguments.js";
import { openJudge } from "../judge.js";

/** As commander gives them. */
export interface JudgingOptions {
  judge?: string;
  judgeCache?: string;
  pricePrompt?: number;
  priceResponse?: number;
  prices?: string;
}

/** What an evaluation needs of them. */
export interface Judging {
  /** Makes a judge for the episodes of one case; undefined without one. */
  fresh: (() => Judge) | undefined;
  prices: { model?: EvaluationPrice; judge?: EvaluationPrice };
  /** Recorded with the results, because they depend on them. */
  settings: Record<string, unknown>;
  close(): Promise<void>;
}

const priceFile = z.record(
  z.string(),
  z.strictObject({
    input: z.number().nonnegative(),
    output: z.number().nonnegative(),
    embedding: z.number().nonnegative().default(0),
  }),
);

/** Adds the options. */
export function addJudging(command: Command): Command {
  return command
    .option("--judge <model>", 'score answers (J) and memories (MQ) with "offline" (rules) or a model')
    .option("--judge-cache <file>", "where a judging model's verdicts are kept")
    .option("--price-prompt <amount>", "price of a million prompt tokens of the model", amount)
    .option("--price-response <amount>", "price of a million response tokens of the model", amount)
    .option("--prices <file>", 'JSON of {"MODEL": {"input", "output", "embedding"}}, for the judge too');
}

/**
 * Opens the judge and looks up the prices.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID`; InputError `AGEMEM_INPUT_FILE`, `AGEMEM_INPUT_FORMAT`, or
 * `AGEMEM_INPUT_ARGUMENT` for a model without a price
 */
export async function openJudging(options: JudgingOptions, model: string): Promise<Judging> {
  const prices = await pricesOf(options, model);
  const settings = prices.model || prices.judge ? { prices } : {};
  if (options.judge === undefined) {
    return { fresh: undefined, prices, settings, close: async () => undefined };
  }
  const { judge, fresh, close } = await openJudge(options.judge, options.judgeCache);
  return { fresh, prices, settings: { ...settings, judge: judge.name }, close };
}

async function pricesOf(options: JudgingOptions, model: string): Promise<Judging["prices"]> {
  const { pricePrompt, priceResponse, prices: path, judge } = options;
  if ((pricePrompt === undefined) !== (priceResponse === undefined)) {
    throw new ConfigError("AGEMEM_CONFIG_INVALID", "one of --price-prompt and --price-response is missing", {
      remedy: "Give both, or --prices FILE.",
    });
  }
  const given =
    pricePrompt === undefined || priceResponse === undefined
      ? undefined
      : { input: pricePrompt, output: priceResponse, embedding: 0 };
  if (path === undefined) return given ? { model: given } : {};
  const parsed = priceFile.safeParse(await readJson(path));
  if (!parsed.success) {
    throw new InputError(
      "AGEMEM_INPUT_FORMAT",
      `${path} is not a list of prices: ${parsed.error.issues[0]?.message}`,
      {
        remedy: 'Give JSON such as {"gpt-4o-mini": {"input": 0.15, "output": 0.6}}, per million tokens.',
        details: { path, field: parsed.error.issues[0]?.path.join(".") },
      },
    );
  }
  const own = given ?? lookUp(parsed.data, model, path);
  return {
    model: own,
    ...(judge === undefined || judge === "offline" ? {} : { judge: lookUp(parsed.data, judge, path) }),
  };
}

function lookUp(table: Record<string, EvaluationPrice>, model: string, path: string): EvaluationPrice {
  const bare = model.replace(/^openai:/, "");
  const price = Object.hasOwn(table, model)
    ? table[model]
    : Object.hasOwn(table, bare)
      ? table[bare]
      : undefined;
  if (price) return price;
  throw new InputError("AGEMEM_INPUT_ARGUMENT", `${path} has no price for ${bare}`, {
    remedy: `Add the model; the file has ${Object.keys(table).join(", ") || "none"}.`,
    details: { path, model: bare },
  });
}
