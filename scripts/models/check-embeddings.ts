/**
 * Compares the ONNX model of a folder with the vectors that the original gave (`reference.json`): the least cosine over
 * its sentences must be 0.999 or more. Prints the figures; ends with 1 where it falls short.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { resolveEmbeddings } from "../../src/models/embeddings.js";

const folder = process.argv[2] ?? "";
const reference = JSON.parse(readFileSync(join(folder, "reference.json"), "utf8")) as [string, number[]][];
const { embeddings, name, dims } = await resolveEmbeddings(`hf:${folder}`);
const began = performance.now();
const vectors = await embeddings.embedDocuments(reference.map(([text]) => text));
const seconds = (performance.now() - began) / 1000;
const cosines = reference.map(([, original], row) =>
  original.reduce((sum, value, i) => sum + value * (vectors[row]?.[i] ?? Number.NaN), 0),
);
const least = Math.min(...cosines);
console.log(
  `${name}: ${dims} dimensions; ${reference.length} sentences in ${seconds.toFixed(1)} s; ` +
    `least cosine with the original ${least.toFixed(6)}`,
);
if (reference.length < 200 || !(least >= 0.999)) process.exitCode = 1;
