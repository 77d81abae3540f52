/** A package for sentence embeddings whose tokens are letters. */
import type { HfModule } from "../../../src/models/hf/embeddings.js";

interface Call {
  texts: string[];
  max: number;
  /** What the model got, row by row. */
  read: string[];
}

/** A package whose tokens are letters, and whose model gives letter `a` the vector [1, 0], any other [0, 1]. */
export function fakeModule(over: { outputs?: string; loads?: object[]; maxLength?: number } = {}) {
  const calls: Call[] = [];
  const tokens = (text: string) => ["^", ...text, "$"];
  const tokenizer = Object.assign(
    (texts: string[], { max_length }: { max_length: number }) => {
      const rows = texts.map((text) => tokens(text).slice(0, max_length));
      const width = Math.max(...rows.map((row) => row.length));
      const padded = rows.flatMap((row) => [...row, ...Array<string>(width - row.length).fill("_")]);
      const dims = [rows.length, width];
      const ids = BigInt64Array.from(padded, (token) => BigInt(token.charCodeAt(0)));
      calls.push({
        texts,
        max: max_length,
        get read() {
          const letters = String.fromCharCode(...[...ids].map(Number));
          return rows.map((_, row) => letters.slice(row * width, (row + 1) * width));
        },
      });
      return {
        input_ids: { data: ids, dims },
        attention_mask: { data: padded.map((token) => (token === "_" ? 0n : 1n)), dims },
      };
    },
    {
      encode: (text: string) => tokens(text).map((token) => token.charCodeAt(0)),
      model_max_length: over.maxLength ?? 512,
    },
  );
  const model = Object.assign(
    async ({ input_ids }: { input_ids: { data: BigInt64Array; dims: number[] } }) => ({
      [over.outputs ?? "last_hidden_state"]: {
        data: [...input_ids.data].flatMap((id) => (id === 97n ? [1, 0] : id === 95n ? [99, 99] : [0, 1])),
        dims: [...input_ids.dims, 2],
      },
    }),
    { config: { max_position_embeddings: 16, hidden_size: 2 } },
  );
  const module: HfModule = {
    AutoTokenizer: { from_pretrained: async () => tokenizer },
    AutoModel: {
      from_pretrained: async (_name, options) => {
        over.loads?.push(options);
        return model;
      },
    },
  };
  return { module, calls };
}
