/**
 * Sentence embeddings in this process: an ONNX model run by `@huggingface/transformers`, an optional package.
 *
 * Owns batching, pooling, the token limit and the warning about longer texts. Leaves out resolving the name
 * (`models/embeddings.ts`), reading its folder (`folder.ts`) and downloading a model (`npm run models`, or the hub).
 */
import { Embeddings, type EmbeddingsParams } from "@langchain/core/embeddings";
import { ConfigError, ModelError, messageOf } from "../../errors.js";
import type { Pooling } from "./folder.js";

/** A tensor as the package returns it, in row-major order. */
interface Tensor {
  readonly data: ArrayLike<number | bigint>;
  readonly dims: readonly number[];
}

type Encoding = Record<string, Tensor> & {
  input_ids: Tensor & { readonly data: BigInt64Array };
  attention_mask: Tensor;
};

/** The part of the package's tokenizers that is used. */
interface HfTokenizer {
  (texts: string[], options: { padding: boolean; truncation: boolean; max_length: number }): Encoding;
  encode(text: string): number[];
  model_max_length?: number;
}

/** The part of the package's models that is used. */
interface HfModel {
  (inputs: Encoding): Promise<Record<string, Tensor>>;
  config?: { max_position_embeddings?: number; hidden_size?: number };
  dispose?(): Promise<unknown>;
}

/** The part of `@huggingface/transformers` that is used. */
export interface HfModule {
  AutoTokenizer: { from_pretrained(name: string, options: object): Promise<unknown> };
  AutoModel: { from_pretrained(name: string, options: object): Promise<unknown> };
}

/** Typed as a plain string so that bundlers do not follow the import: most applications do not install the package. */
export const HF_PACKAGE: string = "@huggingface/transformers";

/** Options of {@link HfEmbeddings}. */
export interface HfEmbeddingsOptions extends EmbeddingsParams {
  /** Name on the hub (`Xenova/all-MiniLM-L6-v2`), or a folder with `config.json`, `tokenizer.json` and `onnx/`. */
  model: string;
  /** Never download from the hub. Default false. */
  localOnly?: boolean;
  /** Precision of the weights: "fp32" (`onnx/model.onnx`, default), "fp16", "q8" … as the package names them. */
  dtype?: string;
  /** Tokens read of each text. Default: the tokenizer's limit. Never more than the model's positions. */
  maxTokens?: number;
  /** How token vectors are pooled. Default "mean". */
  pooling?: Pooling;
  /** Texts per batch. Default 32. */
  batchSize?: number;
  /** The package, if already loaded. */
  module?: HfModule;
}

interface Loaded {
  tokenizer: HfTokenizer;
  model: HfModel;
  maxTokens: number;
}

/**
 * Embeddings from a local transformer model, loaded at the first call. Vectors are unit vectors.
 *
 * A text longer than `maxTokens` is truncated: `truncated` counts such texts, and the first one emits a process warning
 * `AGEMEM_EMBEDDING_TRUNCATED`.
 *
 * @throws ConfigError `AGEMEM_PACKAGE_MISSING` at the first call without the package; ModelError
 * `AGEMEM_EMBEDDING_FAILED` when the model cannot be loaded
 * @example
 * const embeddings = new HfEmbeddings({ model: "/models/all-MiniLM-L6-v2", localOnly: true });
 * const [vector] = await embeddings.embedDocuments(["Ada moved to Oslo"]); // 384 numbers
 */
export class HfEmbeddings extends Embeddings {
  readonly model: string;
  /** Texts truncated so far. */
  truncated = 0;
  readonly #options: HfEmbeddingsOptions;
  #loaded: Promise<Loaded> | undefined;

  constructor(options: HfEmbeddingsOptions) {
    super(options);
    this.model = options.model;
    this.#options = options;
  }

  override async embedDocuments(documents: string[]): Promise<number[][]> {
    const loaded = await this.load();
    const size = this.#options.batchSize ?? 32;
    // Texts of similar length share a batch: padding costs as much as text.
    const order = documents.map((_, index) => index);
    order.sort((a, b) => (documents[a] as string).length - (documents[b] as string).length);
    const out = new Array<number[]>(documents.length);
    for (let from = 0; from < order.length; from += size) {
      const part = order.slice(from, from + size);
      const vectors = await this.#run(
        loaded,
        part.map((index) => documents[index] as string),
      );
      part.forEach((index, at) => {
        out[index] = vectors[at] as number[];
      });
    }
    return out;
  }

  override async embedQuery(document: string): Promise<number[]> {
    const [vector] = await this.embedDocuments([document]);
    return vector as number[];
  }

  /** Loads package, tokenizer and model; the first embedding calls it. A failed load is retried at the next call. */
  async load(): Promise<Loaded> {
    this.#loaded ??= this.#open();
    try {
      return await this.#loaded;
    } catch (error) {
      this.#loaded = undefined;
      throw error;
    }
  }

  /** Frees the model's memory. The next call loads it again. */
  async dispose(): Promise<void> {
    const loaded = await this.#loaded?.catch(() => undefined);
    this.#loaded = undefined;
    await loaded?.model.dispose?.();
  }

  async #open(): Promise<Loaded> {
    const { model: name, localOnly = false, dtype = "fp32", maxTokens } = this.#options;
    const module = this.#options.module ?? (await importTransformers(name));
    try {
      const options = { local_files_only: localOnly };
      const tokenizer = (await module.AutoTokenizer.from_pretrained(name, options)) as HfTokenizer;
      const model = (await module.AutoModel.from_pretrained(name, { ...options, dtype })) as HfModel;
      const positions = model.config?.max_position_embeddings ?? 512;
      const own = maxTokens ?? tokenizer.model_max_length ?? positions;
      return { tokenizer, model, maxTokens: Math.min(own, positions) };
    } catch (cause) {
      throw new ModelError(
        "AGEMEM_EMBEDDING_FAILED",
        `The embedding model "${name}" cannot be loaded: ${messageOf(cause)}`,
        {
          cause,
          remedy: localOnly
            ? "The folder needs config.json, tokenizer.json, tokenizer_config.json and onnx/model.onnx."
            : "Check the name and that the hub can be reached, or give a local folder: hf:./folder.",
          details: { model: name },
        },
      );
    }
  }

  async #run({ tokenizer, model, maxTokens }: Loaded, texts: string[]): Promise<number[][]> {
    const encoded = tokenizer(texts, { padding: true, truncation: true, max_length: maxTokens });
    const [, width = 0] = encoded.input_ids.dims;
    // The token that closes every text: truncation cuts it off, but the model was trained with it.
    const [, closing] = tokenizer.encode("");
    for (const [row, text] of texts.entries()) {
      // A token is at least one character, so short texts need no counting.
      if (text.length <= maxTokens - 2 || tokenizer.encode(text).length <= maxTokens) continue;
      this.#sayTruncated(maxTokens);
      if (closing !== undefined) encoded.input_ids.data[row * width + maxTokens - 1] = BigInt(closing);
    }
    const output = await this.caller.call(() => model(encoded));
    const hidden = output.last_hidden_state ?? output.token_embeddings;
    if (!hidden) {
      throw new ModelError("AGEMEM_EMBEDDING_FAILED", `"${this.model}" gives no vectors of its tokens`, {
        remedy: "Use a model for sentence embeddings (feature extraction).",
        details: { outputs: Object.keys(output) },
      });
    }
    return pool(hidden, encoded.attention_mask, this.#options.pooling ?? "mean");
  }

  #sayTruncated(maxTokens: number): void {
    this.truncated++;
    if (this.truncated > 1) return;
    process.emitWarning(
      `"${this.model}" reads ${maxTokens} tokens of a text; longer texts are found by their beginning only`,
      { code: "AGEMEM_EMBEDDING_TRUNCATED" },
    );
  }
}

/** Imports the package. Throws `AGEMEM_PACKAGE_MISSING` with the install command. */
export async function importTransformers(name: string): Promise<HfModule> {
  try {
    return (await import(HF_PACKAGE)) as HfModule;
  } catch (cause) {
    throw new ConfigError(
      "AGEMEM_PACKAGE_MISSING",
      `"hf:${name}" needs ${HF_PACKAGE}, which cannot be loaded: ${messageOf(cause).split("\n")[0]}`,
      { cause, remedy: `Run: npm install ${HF_PACKAGE}`, details: { package: HF_PACKAGE } },
    );
  }
}

/** One unit vector per text, from its token vectors (text × token × dimension). */
export function pool(hidden: Tensor, mask: Tensor, pooling: Pooling): number[][] {
  const [texts = 0, tokens = 0, dims = 0] = hidden.dims;
  const out: number[][] = [];
  for (let text = 0; text < texts; text++) {
    const vector = new Float64Array(dims);
    for (let token = 0; token < tokens; token++) {
      const counts = pooling === "cls" ? token === 0 : Number(mask.data[text * tokens + token]) === 1;
      if (!counts) continue;
      const at = (text * tokens + token) * dims;
      for (let i = 0; i < dims; i++) vector[i] = (vector[i] as number) + Number(hidden.data[at + i]);
    }
    // Normalizing makes dividing by the count unnecessary.
    const norm = Math.hypot(...vector) || 1;
    out.push(Array.from(vector, (x) => Math.fround(x / norm)));
  }
  return out;
}
