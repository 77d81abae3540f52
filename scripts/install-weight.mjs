/**
 * What an application pays for installing the package: megabytes, packages, seconds. Prints a table.
 *
 *   node scripts/install-weight.mjs
 *
 * Packs this clone and installs the tarball into empty projects: without install scripts, without optional packages, without a
 * compiler on the PATH, and with one (add-ons are fetched or built). The last column says what opening
 * a `FaissStore` does then. The seconds depend on network, cache and machine; a first run fills the cache, so that the
 * rows compare. Needs npm's registry. Node built-ins only.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { npm, run } from "./native.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const COMPILERS = /^(g\+\+|gcc|cc|c\+\+|clang|clang\+\+|make|gmake)(-[\d.]+)?$/;
const FLAGS = ["--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"];

const OPEN = `import { FaissStore } from "agemem";
try {
  await (await FaissStore.open(":memory:")).close();
  console.log("opens");
} catch (error) {
  console.log(error.code);
}`;

/** Bytes and packages below a folder's node_modules; links are not followed. */
function weigh(folder) {
  let bytes = 0;
  let packages = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    if (entry.isFile()) bytes += statSync(path).size;
  }
  const lock = join(folder, ".package-lock.json");
  if (existsSync(lock)) packages = Object.keys(JSON.parse(readFileSync(lock, "utf8")).packages).length;
  return { megabytes: bytes / 1e6, packages };
}

/** A PATH whose folders have everything but compilers, as links. */
function withoutCompiler(work) {
  const folder = join(work, "bin");
  mkdirSync(folder);
  for (const from of (process.env.PATH ?? "").split(delimiter)) {
    if (!existsSync(from)) continue;
    for (const name of readdirSync(from)) {
      if (COMPILERS.test(name) || existsSync(join(folder, name))) continue;
      try {
        symlinkSync(join(from, name), join(folder, name));
      } catch (error) {
        if (error.code !== "EEXIST") throw error;
      }
    }
  }
  return folder;
}

async function measure(work, tarball, name, { args = [], env = {} }) {
  const project = join(work, name.replace(/\W+/g, "-"));
  mkdirSync(project);
  writeFileSync(
    join(project, "package.json"),
    JSON.stringify({ name: "app", private: true, type: "module" }),
  );
  const start = Date.now();
  const result = await npm(["install", tarball, ...FLAGS, ...args], { cwd: project, env, seconds: 1200 });
  const seconds = (Date.now() - start) / 1000;
  if (!result.ok) throw new Error(`${name}: npm install failed:\n${result.output}`);
  writeFileSync(join(project, "open.mjs"), OPEN);
  const opened = await run(process.execPath, ["--no-warnings", "open.mjs"], { cwd: project, env });
  const { megabytes, packages } = weigh(join(project, "node_modules"));
  const cells = [name, megabytes.toFixed(0), packages, seconds.toFixed(0), `\`${opened.output.trim()}\``];
  console.log(`| ${cells.join(" | ")} |`);
}

async function main() {
  const work = mkdtempSync(join(tmpdir(), "agemem-weight-"));
  try {
    const packed = await npm(["pack", "--silent", "--pack-destination", work], { cwd: ROOT, seconds: 300 });
    if (!packed.ok) throw new Error(`npm pack failed:\n${packed.output}`);
    const tarball = join(
      work,
      readdirSync(work).find((name) => name.endsWith(".tgz")),
    );
    const filling = join(work, "filling");
    mkdirSync(filling);
    await npm(["install", tarball, ...FLAGS, "--ignore-scripts"], { cwd: filling, seconds: 600 });
    console.log("| installed | MB | packages | seconds | opening a FaissStore |\n|---|---|---|---|---|");
    await measure(work, tarball, "without install scripts (`--ignore-scripts`)", {
      args: ["--ignore-scripts"],
    });
    await measure(work, tarball, "without better-sqlite3 and FAISS (`--omit=optional`)", {
      args: ["--omit=optional"],
    });
    await measure(work, tarball, "without a compiler", { env: { PATH: withoutCompiler(work) } });
    await measure(work, tarball, "with a compiler", {});
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
