/**
 * The package as its users get it: packed, put into an empty project, imported, bundled, type-checked, and the
 * README's snippets run.
 *
 * By default the tarball is unpacked there beside links to the packages it declares, which needs no network and finds
 * any that it forgot to declare. `npm run test:install` installs it with npm instead, as a user does.
 */
import { execFile } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { codeBlocks, exportedNames, ROOT, repositoryFiles } from "./support/source-tree.js";

const ENTRIES = {
  agemem: "index.ts",
  "agemem/server": "server.ts",
  "agemem/training": "training.ts",
  "agemem/offline": "offline.ts",
  "agemem/testing": "testing.ts",
};
const SNIPPETS = [
  "app",
  "research",
  "operator",
  "recipe-create-agent",
  "recipe-own-graph",
  "recipe-from-mem0",
  "recipe-from-langmem",
  "recipe-train",
];
const project = mkdtempSync(join(tmpdir(), "agemem-package-"));
let packed: string[] = [];

/** Runs a program; its output belongs to the failure when it does not end well. */
function sh(command: string, args: string[], cwd: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { cwd, env: { ...process.env, ...env }, maxBuffer: 64 * 1024 * 1024 };
    execFile(command, args, options, (error, stdout, stderr) => {
      if (error) reject(new Error(`${command} ${args.join(" ")}: ${error.message}\n${stdout}\n${stderr}`));
      else resolve(stdout);
    });
  });
}

/** npm leaves its own settings in the environment of `npm test`; a user's project does not have them. */
const npmEnv = Object.fromEntries(
  Object.keys(process.env)
    .filter((key) => /^npm_(config|package|lifecycle)_/i.test(key))
    .map((key) => [key, undefined]),
);
const npm = (args: string[], cwd: string) => sh("npm", args, cwd, npmEnv);

beforeAll(async () => {
  const [tarball] = JSON.parse(await npm(["pack", "--json", "--pack-destination", project], ROOT)) as [
    { filename: string; files: { path: string }[] },
  ];
  packed = tarball.files.map((file) => file.path);
  writeFileSync(
    join(project, "package.json"),
    JSON.stringify({ name: "app", private: true, type: "module" }),
  );
  const archive = join(project, tarball.filename);
  if (process.env.AGEMEM_TEST_INSTALL === "registry") await installFromRegistry(archive);
  else await unpackBesideLinks(archive);
}, 300_000);

afterAll(() => rmSync(project, { recursive: true, force: true }));

async function installFromRegistry(archive: string): Promise<void> {
  const flags = ["--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  await npm(["install", archive, ...flags], project);
  // Add-ons are built by install scripts, which take a minute: those of this clone are the same.
  for (const name of ["better-sqlite3", "faiss-node"]) copyAddon(name);
}

/** Only what the package itself declares is linked; npm would bring no more. */
async function unpackBesideLinks(archive: string): Promise<void> {
  const modules = join(project, "node_modules");
  const home = join(modules, "agemem");
  mkdirSync(join(modules, ".bin"), { recursive: true });
  mkdirSync(home);
  await sh("tar", ["-xzf", archive, "--strip-components=1", "-C", home], project);
  const manifest = JSON.parse(readFileSync(join(home, "package.json"), "utf8"));
  const { dependencies, optionalDependencies, peerDependencies } = manifest;
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
    const target = join(ROOT, "node_modules", name);
    if (!existsSync(target)) continue;
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(target, join(modules, name));
  }
  chmodSync(join(home, manifest.bin.agemem), 0o755);
  symlinkSync(join(home, manifest.bin.agemem), join(modules, ".bin", "agemem"));
}

function copyAddon(name: string): void {
  const [from, to] = [ROOT, project].map((root) => join(root, "node_modules", name, "build", "Release")) as [
    string,
    string,
  ];
  if (!existsSync(from) || !existsSync(dirname(dirname(to)))) return;
  mkdirSync(to, { recursive: true });
  for (const file of readdirSync(from))
    if (file.endsWith(".node")) copyFileSync(join(from, file), join(to, file));
}

/** Runs a module in the project, away from this clone's settings, without a key. */
function runModule(file: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const clean = { OPENAI_API_KEY: undefined, OPENAI_BASE_URL: undefined, AGEMEM_MODEL: undefined };
  const tsx = pathToFileURL(join(ROOT, "node_modules/tsx/dist/esm/index.mjs")).href;
  const loader = file.endsWith(".mts") ? ["--import", tsx] : [];
  return sh(process.execPath, [...loader, file], project, { ...clean, ...env });
}

describe("the tarball", () => {
  it("holds the build with declarations and maps, and nothing of the tests", () => {
    const built = Object.values(ENTRIES).flatMap((entry) =>
      [".js", ".js.map", ".d.ts"].map((ending) => `dist/${entry.replace(/\.ts$/, ending)}`),
    );
    const wanted = [
      ...built,
      "README.md",
      "LICENSE",
      "CHANGELOG.md",
      "scripts/faiss.mjs",
      "scripts/native.mjs",
    ];
    expect(wanted.filter((path) => !packed.includes(path))).toEqual([]);
    expect(packed.filter((path) => /^(tests|bench|examples|\.ci|coverage)\//.test(path))).toEqual([]);
  });
});

describe("an installed package", () => {
  it.each(Object.entries(ENTRIES))(
    "%s is imported by Node with every value it exports",
    async (name, entry) => {
      writeFileSync(
        join(project, "import.mjs"),
        `import * as all from ${JSON.stringify(name)}; console.log(JSON.stringify(Object.keys(all)));`,
      );
      const values = JSON.parse(await runModule("import.mjs")) as string[];
      expect(values.length).toBeGreaterThan(0);
      const exported = exportedNames(entry);
      expect(values.filter((value) => !exported.has(value))).toEqual([]);
    },
  );

  it("goes through a bundler", async () => {
    const entry = join(project, "bundled.mjs");
    const imports = Object.keys(ENTRIES).map((name, i) => `import * as m${i} from ${JSON.stringify(name)};`);
    const all = imports.map((_, i) => `m${i}`).join(", ");
    writeFileSync(
      entry,
      `${imports.join("\n")}\nconsole.log([${all}].every((m) => Object.keys(m).length > 0));`,
    );
    await build({
      entryPoints: [entry],
      outfile: join(project, "bundle.mjs"),
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node20",
      logLevel: "silent",
      // Native add-ons stay outside a bundle; CommonJS packages in it ask for `require`.
      external: ["better-sqlite3", "faiss-node"],
      banner: {
        js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
      },
    });
    expect((await runModule("bundle.mjs")).trim()).toBe("true");
  });

  it("has a program that tells its version", async () => {
    const { version } = JSON.parse(
      await sh(process.execPath, ["-p", `JSON.stringify(require("./package.json"))`], ROOT),
    );
    expect((await npm(["exec", "--no", "--", "agemem", "--version"], project)).trim()).toBe(version);
  });

  it.each(["NodeNext", "Bundler"] as const)(
    "has declarations that %s resolution finds",
    (resolution) => {
      const names = Object.keys(ENTRIES).map((name, i) => `export * as m${i} from ${JSON.stringify(name)};`);
      writeFileSync(join(project, "types.ts"), names.join("\n"));
      // Checking the declarations themselves takes long, and once is enough.
      const options = { skipLibCheck: resolution === "Bundler" };
      expect(typeErrors(["types.ts"], resolution, options).filter((line) => line.includes("agemem"))).toEqual(
        [],
      );
    },
    120_000,
  );

  it("has the script that gets FAISS, which finds the installed one", async () => {
    const out = await sh(
      process.execPath,
      ["-e", "import('agemem/package.json', { with: { type: 'json' } })"],
      project,
    );
    expect(out).toBe("");
    const script = join(project, "node_modules/agemem/scripts/faiss.mjs");
    const available = existsSync(join(project, "node_modules/faiss-node/build/Release/faiss-node.node"));
    const check = sh(process.execPath, [script, "--check"], project);
    if (available) await check;
    else await expect(check).rejects.toThrow("FAISS: not available");
  });
});

describe("snippets of README and docs", () => {
  const pages = repositoryFiles().filter((path) => /^(README|docs\/.*)\.md$/.test(path));
  const snippets = pages.flatMap(codeBlocks).filter((block) => block.snippet);
  const names = snippets.map((block) => block.snippet as string);
  const fileOf = (name: string) => `${name}.mts`;
  let problems: string[] = [];
  beforeAll(() => {
    for (const { snippet, code } of snippets) writeFileSync(join(project, fileOf(snippet as string)), code);
    problems = typeErrors(names.map(fileOf), "NodeNext");
  }, 120_000);

  it("are there for each of the three users and each recipe, once, and short", () => {
    expect(new Set(names).size).toBe(names.length);
    expect(SNIPPETS.filter((name) => !names.includes(name))).toEqual([]);
    expect(snippets.filter((block) => block.file === "README.md").map((block) => block.snippet)).toEqual([
      "app",
    ]);
    const isCode = (line: string) => !/^\s*(\/\/.*)?$/.test(line);
    for (const { code, snippet } of snippets) {
      expect(code.split("\n").filter(isCode).length, snippet).toBeLessThanOrEqual(32);
    }
  });

  it.each(names)(
    "%s type-checks and runs in the project",
    async (name) => {
      const file = fileOf(name);
      expect(problems.filter((line) => line.startsWith(file))).toEqual([]);
      await runModule(file, { HOME: project, AGEMEM_HOME: join(project, ".agemem") });
    },
    60_000,
  );
});

/** Messages of a strict type check, as "file: message". */
function typeErrors(
  files: string[],
  resolution: "NodeNext" | "Bundler",
  { skipLibCheck = true } = {},
): string[] {
  const program = ts.createProgram(
    files.map((file) => join(project, file)),
    {
      strict: true,
      noEmit: true,
      skipLibCheck,
      target: ts.ScriptTarget.ES2022,
      lib: ["lib.es2023.d.ts"],
      module: resolution === "NodeNext" ? ts.ModuleKind.NodeNext : ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind[resolution],
      types: ["node"],
      typeRoots: [join(ROOT, "node_modules/@types")],
    },
  );
  return ts.getPreEmitDiagnostics(program).map((each) => {
    const file = each.file?.fileName.replace(`${project}/`, "") ?? "";
    return `${file}: ${ts.flattenDiagnosticMessageText(each.messageText, "\n")}`;
  });
}
