/**
 * A project that lacks native add-ons, as package managers leave it: what still works, what is said, what helps.
 *
 * The sources run in a made-up project whose `node_modules` links to this clone's packages, without the add-ons.
 */
import { execFile } from "node:child_process";
import {
  cpSync,
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
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ROOT } from "./support/source-tree.js";

const MODULES = join(ROOT, "node_modules");
const TSX = pathToFileURL(join(MODULES, "tsx/dist/esm/index.mjs")).href;
const HAS_FAISS = existsSync(join(MODULES, "faiss-node/build/Release/faiss-node.node"));
const MAJOR = Number.parseInt(process.versions.node, 10);
const ADDONS = ["better-sqlite3", "faiss-node"];

// Each test starts processes of its own, which compile what they import.
vi.setConfig({ testTimeout: 120_000 });

let project: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), "agemem-addons-"));
  for (const name of readdirSync(MODULES)) {
    if (!name.startsWith(".") && !ADDONS.includes(name)) link(name, "node_modules");
  }
  cpSync(join(ROOT, "src"), join(project, "agemem/src"), { recursive: true });
  cpSync(join(ROOT, "scripts"), join(project, "agemem/scripts"), { recursive: true });
  cpSync(join(ROOT, "package.json"), join(project, "agemem/package.json"));
  write("package.json", { name: "app", private: true, type: "module" });
});
afterEach(() => rmSync(project, { recursive: true, force: true }));

function write(path: string, content: unknown): void {
  const target = join(project, path);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, typeof content === "string" ? content : JSON.stringify(content));
}

/** This clone's package as it is, built. */
function link(name: string, folder: string): void {
  const target = join(project, folder, name);
  mkdirSync(dirname(target), { recursive: true });
  symlinkSync(join(MODULES, name), target);
}

/** The package as `npm install --ignore-scripts` and pnpm leave it. */
function unbuilt(name: string, folder: string): void {
  cpSync(join(MODULES, name), join(project, folder, name), {
    recursive: true,
    filter: (path) => basename(path) !== "build" && basename(path) !== "deps",
  });
}

function node(args: string[], env: NodeJS.ProcessEnv): Promise<{ code: number; out: string; err: string }> {
  const clean = { OPENAI_API_KEY: undefined, OPENAI_BASE_URL: undefined, AGEMEM_INDEX: undefined };
  const options = { cwd: project, env: { ...process.env, ...clean, AGEMEM_NATIVE: undefined, ...env } };
  return new Promise((settle) => {
    execFile(process.execPath, args, options, (error, out, err) =>
      settle({ code: error ? Number(error.code) : 0, out, err }),
    );
  });
}

/** Runs a module of the project's that has the store (all of the package takes long to load); what it prints is JSON. */
async function run(body: string, env: NodeJS.ProcessEnv = {}): Promise<{ result: unknown; err: string }> {
  write(
    "main.ts",
    `import { LexicalEmbeddings } from "./agemem/src/models/lexical-embeddings.js";
     import { FaissStore } from "./agemem/src/store/faiss-store.js";
     const index = { embeddings: new LexicalEmbeddings() };
     const open = (options = {}) => FaissStore.open(":memory:", { index, ...options });
     const failure = async (action) => action().then(() => null, (error) => ({ code: error.code, line: error.toLine?.() }));
     const result = await (async () => { ${body} })();
     console.log(JSON.stringify(result));`,
  );
  const { out, err, code } = await node(["--import", TSX, "main.ts"], env);
  if (code !== 0) throw new Error(err);
  return { result: JSON.parse(out), err };
}

describe("without better-sqlite3", () => {
  it("an agent on another store works, and opening a FaissStore names the commands", async () => {
    const { result } = await run(`
      const { InMemoryStore } = await import("@langchain/langgraph");
      const agemem = await import("./agemem/src/index.js");
      const { ScriptedChatModel } = await import("./agemem/src/testing.js");
      const call = { tool_calls: [{ name: "Add_memory", args: { content: "Ada likes tea." } }] };
      const store = new InMemoryStore();
      const agent = agemem.createAgeMemAgent({ model: new ScriptedChatModel([call, "Noted."]), store });
      const message = { role: "user", content: "I like tea." };
      await agent.invoke({ messages: [message] }, { context: { user_id: "ada" } });
      const [item] = await store.search(["memories", "ada"]);
      return [item?.value.content, await failure(() => open())];`);
    const [content, failure] = result as [string, { code: string; line: string }];
    expect(content).toBe("Ada likes tea.");
    expect(failure.code).toBe("AGEMEM_PACKAGE_MISSING");
    expect(failure.line).toMatch(
      new RegExp(
        `not installed.*\`npm install better-sqlite3@${MAJOR >= 22 ? 13 : 12}\`.*\`pnpm add better-sqlite3@${MAJOR >= 22 ? 13 : 12}\``,
      ),
    );
    expect(failure.line).toContain("npx agemem setup");
  });

  it("whose binary was never built, the commands are others", async () => {
    unbuilt("better-sqlite3", "node_modules");
    const { result } = await run("return failure(() => open());");
    const { code, line } = result as { code: string; line: string };
    expect(code).toBe("AGEMEM_PACKAGE_MISSING");
    expect(line).toMatch(/Could not locate the bindings file/);
    expect(line).toMatch(
      /`npm rebuild better-sqlite3`.*`npm install-scripts approve better-sqlite3`.*`pnpm approve-builds better-sqlite3`/,
    );
  });

  it.skipIf(MAJOR >= 22)(
    "that is too new for this Node.js is never loaded: it would end the process",
    async () => {
      write("node_modules/better-sqlite3/package.json", {
        name: "better-sqlite3",
        version: "13.2.0",
        main: "x.js",
      });
      write("node_modules/better-sqlite3/x.js", "process.exit(139);");
      const { result } = await run("return failure(() => open());");
      const { code, line } = result as { code: string; line: string };
      expect(code).toBe("AGEMEM_PACKAGE_MISSING");
      expect(line).toMatch(/version 13\.2\.0 needs Node\.js 22.*`npm install better-sqlite3@12`/);
      write(".agemem/native/package.json", { private: true });
      link("better-sqlite3", ".agemem/native/node_modules");
      expect((await run("return (await (await open()).stats()).items;")).result).toBe(0);
    },
  );

  it.each([".agemem/native", "elsewhere"])("takes the one in %s", async (folder) => {
    unbuilt("better-sqlite3", "node_modules");
    write(`${folder}/package.json`, { private: true });
    link("better-sqlite3", `${folder}/node_modules`);
    const env = folder === "elsewhere" ? { AGEMEM_NATIVE: join(project, folder) } : {};
    const { result } = await run("const store = await open(); return (await store.stats()).items;", env);
    expect(result).toBe(0);
  });

  it("the command is one line and exit code 1", async () => {
    write("store/memory.db", "");
    const args = ["--import", TSX, "agemem/src/cli/main.ts", "memory", "--store", "store", "ls"];
    const { code, out, err } = await node(args, {});
    expect([code, out]).toEqual([1, ""]);
    expect(err.trim().split("\n")).toHaveLength(1);
    expect(err).toMatch(/^AGEMEM_PACKAGE_MISSING: /);
  });
});

describe("without faiss-node", () => {
  beforeEach(() => link("better-sqlite3", "node_modules"));
  const warnings = (err: string) => err.split("\n").filter((line) => line.includes("AGEMEM_INDEX_FALLBACK"));

  it("says once per process that it scans, and always in stats()", async () => {
    const { result, err } = await run(`
      const [one, two] = [await open(), await open()];
      const { index, indexFallback } = await two.stats();
      return { index, indexFallback };`);
    expect(result).toEqual({
      index: "flat",
      indexFallback: expect.stringContaining("Cannot find module 'faiss-node'"),
    });
    expect(warnings(err)).toHaveLength(1);
    expect(err).toContain("npx agemem setup");
  });

  it("tells onWarning instead, and nobody where the scan was chosen or nothing is embedded", async () => {
    const { result, err } = await run(`
      const told = [];
      await open({ onWarning: (warning) => told.push(warning.code) });
      await open({ index: { ...index, kind: "flat" } });
      await FaissStore.open(":memory:");
      return told;`);
    expect(result).toEqual(["AGEMEM_INDEX_FALLBACK"]);
    expect(warnings(err)).toEqual([]);
  });

  it("does not open where FAISS is insisted on", async () => {
    const { result } = await run(`
      const byOption = await failure(() => open({ index: { ...index, kind: "faiss" } }));
      process.env.AGEMEM_INDEX = "faiss";
      return [byOption, await failure(() => open())];`);
    for (const { code, line } of result as { code: string; line: string }[]) {
      expect(code).toBe("AGEMEM_PACKAGE_MISSING");
      expect(line).toMatch(/faiss-node.*npx agemem setup/);
    }
  });

  it.skipIf(!HAS_FAISS)("takes the one in .agemem/native", async () => {
    unbuilt("faiss-node", "node_modules");
    write(".agemem/native/package.json", { private: true });
    link("faiss-node", ".agemem/native/node_modules");
    const { result, err } = await run("return (await (await open()).stats()).index;");
    expect(result).toBe("faiss");
    expect(warnings(err)).toEqual([]);
  });
});

describe("agemem setup", () => {
  const setup = (env: NodeJS.ProcessEnv) =>
    node(["--import", TSX, "agemem/src/cli/main.ts", "setup"], { AGEMEM_PREBUILT_SECONDS: "0", ...env });
  const native = () => join(project, ".agemem/native");
  beforeEach(() => {
    write(".agemem/native/package.json", { private: true });
    unbuilt("better-sqlite3", ".agemem/native/node_modules");
  });

  it("says in one line what a machine without a compiler lacks", async () => {
    const { code, err } = await setup({ PATH: "", CXX: "", PYTHON: "", AGEMEM_NO_CACHE: "1" });
    expect(code).toBe(1);
    expect(err.trim().split("\n")).toHaveLength(1);
    expect(err).toMatch(
      /^AGEMEM_PACKAGE_MISSING: .*no g\+\+, no make, no python3.*apt-get install g\+\+ make python3/,
    );
  });

  it("puts better-sqlite3 where a later npm install leaves it, and a store opens with it", async () => {
    const { version } = JSON.parse(readFileSync(join(MODULES, "better-sqlite3/package.json"), "utf8"));
    const built = `better-sqlite3-${version}-abi${process.versions.modules}-${process.platform}-${process.arch}.node`;
    mkdirSync(join(project, "cache/agemem"), { recursive: true });
    cpSync(
      join(MODULES, "better-sqlite3/build/Release/better_sqlite3.node"),
      join(project, "cache/agemem", built),
    );
    const done = await setup({
      XDG_CACHE_HOME: join(project, "cache"),
      AGEMEM_INDEX: "flat",
      AGEMEM_NO_CACHE: "",
    });
    expect(done).toMatchObject({ code: 0 });
    expect(done.out).toContain(`better-sqlite3: ${join(native(), "node_modules/better-sqlite3")}`);
    expect(readFileSync(join(native(), ".gitignore"), "utf8")).toBe("*\n");
    // npm would follow the links of this test into the clone's packages: it gets a folder without them.
    rmSync(join(project, "node_modules"), { recursive: true });
    write("node_modules/stray/package.json", { name: "stray", version: "1.0.0" });
    await new Promise<void>((settle, fail) => {
      const args = ["install", "--offline", "--no-audit", "--no-fund"];
      execFile("npm", args, { cwd: project }, (error) => (error ? fail(error) : settle()));
    });
    expect(existsSync(join(project, "node_modules/stray"))).toBe(false);
    expect(existsSync(join(native(), "node_modules/better-sqlite3/build/Release/better_sqlite3.node"))).toBe(
      true,
    );
  });
});
