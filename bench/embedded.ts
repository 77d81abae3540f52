/**
 * Vectors of texts, computed once and kept in a folder: embedding 50,000 texts takes a while, and goes on where it was
 * interrupted.
 *
 * Owns the files (float32, in the order of the texts, under a name made of the model and the texts). Leaves out the
 * texts (`texts.ts`) and the models (`src/models/`). The folder is `AGEMEM_BENCH_CACHE`, else `.agemem/bench`.
 */
import { createHash } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readFileSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { EmbeddingsInterface } from "@langchain/core/embeddings";
import { resolveEmbeddings } from "../src/models/embeddings.js";
import { dataFolder, readTexts } from "./texts.js";

/** Texts that are embedded, and written, at a time. */
const PIECE = 1024;

interface Model {
  name: string;
  embeddings: EmbeddingsInterface;
}

/** `npm run bench -- embedded --embeddings hf:.agemem/models/all-MiniLM-L6-v2`: fills the folder. */
export async function run(args: string[]): Promise<Record<string, unknown>> {
  const { values } = parseArgs({
    args,
    options: { embeddings: { type: "string" }, data: { type: "string" }, json: { type: "boolean" } },
  });
  const folder = dataFolder(values.data);
  if (!values.embeddings || !folder) throw new TypeError("Give --embeddings, and the texts: --data FOLDER");
  const { embeddings } = await resolveEmbeddings(values.embeddings);
  const name = values.embeddings.replace(/^hf:.*\//, "hf:");
  const { stored, queries } = await readTexts(folder);
  await embedded({ name, embeddings }, queries);
  return { name, texts: (await embedded({ name, embeddings }, stored)).length };
}

/** The vectors of texts from the folder; null when it does not have all of them. */
export function fromFolder(name: string, texts: readonly string[]): Float32Array[] | null {
  const file = fileOf(name, texts);
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  const dims = size / 4 / texts.length;
  return Number.isInteger(dims) && dims >= 64 ? readVectors(file, texts.length, dims) : null;
}

/** The vectors of texts, from the folder as far as it has them. */
export async function embedded(
  { name, embeddings }: Model,
  texts: readonly string[],
): Promise<Float32Array[]> {
  const file = fileOf(name, texts);
  const [probe] = await embeddings.embedDocuments(["probe"]);
  const dims = probe?.length ?? 0;
  const bytes = dims * 4;
  let done = existsSync(file) ? Math.floor(statSync(file).size / bytes) : 0;
  if (done > 0) truncateSync(file, done * bytes);
  for (; done < texts.length; done += PIECE) {
    const vectors = await embeddings.embedDocuments(texts.slice(done, done + PIECE));
    appendFileSync(file, Buffer.concat(vectors.map((one) => Buffer.from(Float32Array.from(one).buffer))));
    if (done % (PIECE * 8) === 0) console.error(`${name}: ${done} of ${texts.length} texts embedded`);
  }
  return readVectors(file, texts.length, dims);
}

function fileOf(name: string, texts: readonly string[]): string {
  const folder =
    process.env.AGEMEM_BENCH_CACHE ?? fileURLToPath(new URL("../.agemem/bench", import.meta.url));
  mkdirSync(folder, { recursive: true });
  const digest = createHash("sha256").update(texts.join("\n")).digest("hex").slice(0, 12);
  return join(folder, `${name.replace(/[^a-zA-Z0-9]+/g, "-")}-${digest}.f32`);
}

function readVectors(file: string, count: number, dims: number): Float32Array[] {
  const data = readFileSync(file);
  const all = new Float32Array(data.buffer, data.byteOffset, count * dims);
  return Array.from({ length: count }, (_, i) => all.subarray(i * dims, (i + 1) * dims));
}
