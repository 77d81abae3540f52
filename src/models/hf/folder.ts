/**
 * Reads the folder of a local embedding model: dimension, pooling, token limit, and a name for its vectors.
 *
 * Owns reading the small JSON files of sentence-transformers. Leaves out running the model (`embeddings.ts`).
 */
import { createHash } from "node:crypto";
import { createReadStream, existsSync, readFileSync, statSync } from "node:fs";
import { basename, isAbsolute, join, resolve } from "node:path";
import { ConfigError, messageOf } from "../../errors.js";

/** How token vectors are pooled: their mean, or the first one. */
export type Pooling = "mean" | "cls";

/** A local embedding model. */
export interface HfFolder {
  /** Absolute path. */
  path: string;
  dims: number | undefined;
  pooling: Pooling;
  /** The limit it was trained with; undefined: use the tokenizer's. */
  maxTokens: number | undefined;
}

/**
 * The folder `name` refers to: an existing directory, or anything written as a path. Undefined for a hub name.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for a path without a model
 */
export function findHfFolder(name: string): HfFolder | undefined {
  const path = resolve(name);
  const directory = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  if (!directory && !/^\.{0,2}[\\/]/.test(name) && !isAbsolute(name)) return undefined;
  if (!existsSync(join(path, "config.json"))) {
    throw new ConfigError("AGEMEM_CONFIG_INVALID", `There is no embedding model in ${path}`, {
      remedy:
        "Give a folder with config.json, tokenizer.json and onnx/model.onnx, or a model's name on the hub.",
      details: { path },
    });
  }
  const config = readJson(join(path, "config.json"));
  const pooling = readJson(join(path, "1_Pooling", "config.json"));
  const sentence = readJson(join(path, "sentence_bert_config.json"));
  return {
    path,
    dims: whole(config.hidden_size),
    pooling: poolingOf(pooling, path),
    maxTokens: whole(sentence.max_seq_length),
  };
}

/**
 * "hf:FOLDER@HASH" with a hash of the weights: the folder may move, and another model in a folder of the same name is
 * noticed.
 */
export async function hfFolderName({ path }: HfFolder, dtype = "fp32"): Promise<string> {
  const suffix = dtype === "fp32" ? "" : dtype === "q8" ? "_quantized" : `_${dtype}`;
  const hash = createHash("sha256");
  const weights = join(path, "onnx", `model${suffix}.onnx`);
  try {
    for await (const chunk of createReadStream(weights)) hash.update(chunk as Buffer);
  } catch (cause) {
    throw new ConfigError("AGEMEM_CONFIG_INVALID", `${weights} cannot be read: ${messageOf(cause)}`, {
      cause,
      remedy:
        "Export the model to ONNX into the folder's onnx/ (npm run models does it for all-MiniLM-L6-v2).",
      details: { path: weights },
    });
  }
  return `hf:${basename(path)}@${hash.digest("hex").slice(0, 12)}`;
}

function poolingOf(config: Record<string, unknown>, path: string): Pooling {
  if (config.pooling_mode_cls_token === true) return "cls";
  if (config.pooling_mode_mean_tokens === false) {
    throw new ConfigError(
      "AGEMEM_CONFIG_INVALID",
      `The model in ${path} pools in a way that is not supported`,
      {
        remedy: "Use a model that takes the mean of its tokens' vectors or the first one's.",
        details: { path },
      },
    );
  }
  return "mean";
}

/** A file's JSON; {} where there is none. */
function readJson(path: string): Record<string, unknown> {
  if (!existsSync(path)) return {};
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  } catch (cause) {
    throw new ConfigError("AGEMEM_CONFIG_INVALID", `${path} cannot be read: ${messageOf(cause)}`, {
      cause,
      remedy: "Get the model's folder anew.",
      details: { path },
    });
  }
}

function whole(value: unknown): number | undefined {
  return Number.isInteger(value) && (value as number) > 0 ? (value as number) : undefined;
}
