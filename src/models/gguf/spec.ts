/**
 * The name of a local model: `gguf:FILE`, with settings behind a question mark.
 *
 * Owns names and checks of the settings. `gguf:./model.gguf?sequences=8&contextSize=4096&constrainTools=true`.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { resolve } from "node:path";
import { ConfigError, messageOf } from "../../errors.js";
import { checkRange } from "../settings.js";

/** What a name says. */
export interface GgufSpec {
  /** Absolute path. */
  file: string;
  contextSize?: number;
  sequences?: number;
  threads?: number;
  gpu?: "auto" | false;
  /** Most tokens of one response. */
  maxTokens?: number;
  chatTemplate?: string;
  constrainTools?: boolean;
  /** Texts that end a response and are not part of it. */
  stop?: string[];
}

/** Most tokens of a response where nothing else is said (AgeMem, appendix C): a small model may never end by itself. */
export const RESPONSE_TOKENS = 2048;

const NUMBERS = ["contextSize", "sequences", "threads", "maxTokens"] as const;
const SETTINGS = [...NUMBERS, "gpu", "chatTemplate", "constrainTools", "stop"];

/**
 * Reads a name without its "gguf:".
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for a setting that is unknown or out of range
 * @example
 * parseGgufName("model.gguf?sequences=4").sequences; // 4
 */
export function parseGgufName(name: string): GgufSpec {
  const [, path = name, query = ""] = /^(.*?\.gguf)\?(.*)$/i.exec(name) ?? [];
  const given = new URLSearchParams(query);
  const unknown = [...given.keys()].filter((key) => !SETTINGS.includes(key));
  if (path.trim() === "" || unknown.length > 0) {
    throw new ConfigError(
      "AGEMEM_CONFIG_INVALID",
      unknown.length > 0 ? `A gguf: model has no setting "${unknown[0]}"` : "gguf: names no file",
      { remedy: `Give gguf:FILE, or gguf:FILE?NAME=VALUE with ${SETTINGS.join(", ")}.` },
    );
  }
  const spec: GgufSpec = { file: resolve(path.trim()) };
  for (const key of NUMBERS) {
    const text = given.get(key);
    if (text !== null) spec[key] = Number(text);
  }
  const template = given.get("chatTemplate");
  if (template !== null) spec.chatTemplate = template;
  const [gpu, constrain] = [given.get("gpu"), given.get("constrainTools")];
  if (gpu !== null) spec.gpu = gpu === "false" ? false : "auto";
  if (constrain !== null) spec.constrainTools = constrain !== "false";
  const stop = given.getAll("stop");
  if (stop.includes("")) {
    throw new ConfigError("AGEMEM_CONFIG_INVALID", "A gguf: model cannot stop at an empty text", {
      remedy: "Give stop=TEXT, with %0A for the end of a line, or leave it out.",
    });
  }
  if (stop.length > 0) spec.stop = stop;
  checkSettings(spec);
  return spec;
}

/** @throws ConfigError `AGEMEM_CONFIG_INVALID` */
export function checkSettings({
  contextSize,
  sequences,
  threads,
  maxTokens,
}: Pick<GgufSpec, (typeof NUMBERS)[number]>): void {
  checkWhole("contextSize", contextSize, 64, 10_000_000);
  checkWhole("sequences", sequences, 1, 1024);
  checkWhole("threads", threads, 0, 1024);
  checkWhole("maxTokens", maxTokens, 1, 10_000_000);
}

function checkWhole(name: string, value: number | undefined, from: number, to: number): void {
  checkRange(name, value === undefined || Number.isInteger(value) ? value : Number.NaN, from, to);
}

/** @throws ConfigError `AGEMEM_CONFIG_INVALID` for a file that is missing or no GGUF file */
export function checkFile(file: string): void {
  const head = Buffer.alloc(4);
  let problem = "is not a GGUF file";
  try {
    const handle = openSync(file, "r");
    try {
      readSync(handle, head, 0, 4, 0);
    } finally {
      closeSync(handle);
    }
  } catch (cause) {
    problem = `cannot be read: ${messageOf(cause)}`;
  }
  if (head.toString("latin1") === "GGUF") return;
  throw new ConfigError("AGEMEM_CONFIG_INVALID", `${file} ${problem}`, {
    remedy:
      "Name the file of a language model in GGUF form: gguf:./model.gguf (npm run models gets small ones).",
    details: { file },
  });
}
