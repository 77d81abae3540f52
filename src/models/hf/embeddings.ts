/**
 * Sentence embeddings in this process: an ONNX model run by `@huggingface/transformers`, an optional package.
 *
 * Owns batching, the token limit and the warning about longer texts. Leaves out what becomes of the tokens' vectors
 * (`token-vectors.ts`), resolving the name (`models/embeddings.ts`), reading its folder (`folder.ts`) and downloading a
 * model (`npm run models`, or the hub).
 */
import { Embeddings, type EmbeddingsParams } from "@langchain/core/embeddings";
import { ConfigError, ModelError, messageOf } from "../../errors.js";
import type { Pooling } from "./folder.js";
import { type Encoding, pool, type Tensor, type TokenVectors, tokenVectorsOf } from "./token-vectors.js";

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

/** What a model made of a batch of texts. */
interface Output {
  /** text × token × dimension */
  hidden: Tensor;
  encoded: Encoding;
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

  override embedDocuments(documents: string[]): Promise<number[][]> {
    const pooling = this.#options.pooling ?? "mean";
    return this.#inBatches(documents, ({ hidden, encoded }) => pool(hidden, encoded.attention_mask, pooling));
  }

  /**
   * The unit vectors of each text's tokens, for late interaction (ColBERT, arXiv 2004.12832). Tokens beyond the model's
   * limit are left out, as in {@link embedDocuments}.
   *
   * @param signal stops after the batch that is being read
   * @throws ConfigError `AGEMEM_PACKAGE_MISSING`, ModelError `AGEMEM_EMBEDDING_FAILED`, and the signal's reason
   * @example
   * const [found] = await embeddings.tokenVectors(["Ada lives in Lisbon."]);
   * console.log(found?.ids.length, found?.dims);
   */
  tokenVectors(texts: string[], signal?: AbortSignal): Promise<TokenVectors[]> {
    return this.#inBatches(
      texts,
      ({ hidden, encoded }, { tokenizer }) => tokenVectorsOf(hidden, encoded, new Set(tokenizer.encode(""))),
      signal,
    );
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

  /** What `read` makes of each text. */
  async #inBatches<T>(
    texts: string[],
    read: (output: Output, loaded: Loaded) => T[],
    signal?: AbortSignal,
  ): Promise<T[]> {
    const loaded = await this.load();
    const size = this.#options.batchSize ?? 32;
    // Texts of similar length share a batch: padding costs as much as text.
    const order = texts.map((_, index) => index);
    order.sort((a, b) => (texts[a] as string).length - (texts[b] as string).length);
    const out = new Array<T>(texts.length);
    for (let from = 0; from < order.length; from += size) {
      signal?.throwIfAborted();
      const part = order.slice(from, from + size);
      const output = await this.#run(
        loaded,
        part.map((index) => texts[index] as string),
      );
      const found = read(output, loaded);
      part.forEach((index, at) => {
        out[index] = found[at] as T;
      });
    }
    return out;
  }

  async #run({ tokenizer, model, maxTokens }: Loaded, texts: string[]): Promise<Output> {
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
    return { hidden, encoded };
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
