/**
 * What each entry of the package costs an application: kilobytes of our own code, minified and compressed, that an import
 * loads at once and that waits for its first use, and the modules and megabytes Node loads for it. Prints a table.
 *
 *   npm run build && npm run sizes
 *
 * Other packages' code is left out of the kilobytes and is in the modules. Memory is what the process holds more than an empty one.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
const entries = Object.entries(manifest.exports)
  .filter(([, target]) => typeof target === "object")
  .map(([name, target]) => ({ name: join("agemem", name), file: join(ROOT, target.default) }));

/** Kilobytes (1,000 bytes, gzip) of the chunks that an entry imports statically, and of all others it can reach. */
async function ownCode(file) {
  const { outputFiles, metafile } = await build({
    entryPoints: [file],
    outdir: join(ROOT, "dist-sizes"),
    bundle: true,
    minify: true,
    splitting: true,
    format: "esm",
    platform: "node",
    packages: "external",
    metafile: true,
    write: false,
  });
  const sizes = new Map(
    outputFiles.map(({ path, contents }) => [relative(process.cwd(), path), gzipSync(contents).length]),
  );
  const entry = Object.keys(metafile.outputs).find((path) => metafile.outputs[path].entryPoint);
  const atOnce = new Set();
  const visit = (path) => {
    if (atOnce.has(path) || !metafile.outputs[path]) return;
    atOnce.add(path);
    for (const { path: next, kind } of metafile.outputs[path].imports) {
      if (kind === "import-statement") visit(next);
    }
  };
  visit(entry);
  const sum = (paths) => paths.reduce((total, path) => total + (sizes.get(path) ?? 0), 0) / 1000;
  const all = Object.keys(metafile.outputs);
  return { atOnce: sum([...atOnce]), later: sum(all.filter((path) => !atOnce.has(path))) };
}

/** Modules that Node loads for an import, and the resident megabytes that they add. */
function loaded(file) {
  const hooks = `import { writeSync } from "node:fs";
    export const load = (url, context, next) => (writeSync(2, "LOADED\\n"), next(url, context));`;
  const register = `import { register } from "node:module"; register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hooks)}`)});`;
  const code = `${file ? `await import(${JSON.stringify(file)});` : ""} process.stdout.write(String(process.memoryUsage.rss()))`;
  const node = (args) => {
    const result = execFileSync("sh", ["-c", `"$0" "$@" 2>&1`, process.execPath, ...args], {
      encoding: "utf8",
      maxBuffer: 1e8,
    });
    return result;
  };
  const plain = ["--no-warnings", "--input-type=module", "-e", code];
  const counting = ["--import", `data:text/javascript,${encodeURIComponent(register)}`, ...plain];
  return { modules: node(counting).split("LOADED").length - 1, bytes: Number(node(plain)) };
}

const missing = entries.filter(({ file }) => !existsSync(file));
if (missing.length > 0) {
  console.error(`${missing[0].file} is missing: npm run build`);
  process.exit(1);
}
const empty = loaded(undefined);
console.log(
  "| entry | own code at import, kB | on demand, kB | modules loaded | MB resident |\n|---|---|---|---|---|",
);
for (const { name, file } of entries) {
  const { atOnce, later } = await ownCode(file);
  const { modules, bytes } = loaded(file);
  const cells = [
    atOnce.toFixed(0),
    later.toFixed(0),
    modules - empty.modules,
    ((bytes - empty.bytes) / 1e6).toFixed(0),
  ];
  console.log(`| \`${name}\` | ${cells.join(" | ")} |`);
}
