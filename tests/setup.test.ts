/** The set-up scripts on made-up clones: what counts as ready, and every way FAISS is found or not. */
import { execFile, execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ROOT } from "./support/source-tree.js";

interface SetupModule {
  currentFacts(root: string): Record<string, unknown>;
  isReady(root: string, env?: Record<string, string>): boolean;
  treeMatchesLock(root: string): boolean;
}
interface FaissModule {
  hasFaissBinary(root: string): boolean;
  systemFaiss(): { headers?: string; compiler?: string };
}

const script = (name: string) => new URL(`../scripts/${name}`, import.meta.url).href;
const setup = (await import(script("setup.mjs"))) as SetupModule;
const faiss = (await import(script("faiss.mjs"))) as FaissModule;
const modules = join(ROOT, "node_modules");
const hasBinary = faiss.hasFaissBinary(ROOT);
const canBuild = Boolean(faiss.systemFaiss().headers && faiss.systemFaiss().compiler);

let clone: string;
beforeEach(() => {
  clone = mkdtempSync(join(tmpdir(), "agemem-clone-"));
  mkdirSync(join(clone, "node_modules"));
});
afterEach(() => rmSync(clone, { recursive: true, force: true }));

function write(path: string, content: unknown): void {
  const target = join(clone, path);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, typeof content === "string" ? content : JSON.stringify(content));
}

describe("the installed tree", () => {
  const packages = {
    "": {},
    "node_modules/a": { version: "1.0.0" },
    "node_modules/b": { version: "2.0.0", optional: true },
  };
  beforeEach(() => {
    write("package-lock.json", { packages });
    write("node_modules/.package-lock.json", { packages: { "node_modules/a": { version: "1.0.0" } } });
    write("node_modules/a/package.json", {});
  });

  it("matches when only optional packages are missing", () => {
    expect(setup.treeMatchesLock(clone)).toBe(true);
  });

  it("does not match after an install that was interrupted", () => {
    rmSync(join(clone, "node_modules/.package-lock.json"));
    expect(setup.treeMatchesLock(clone)).toBe(false);
  });

  it("does not match when a package's folder is gone or its version differs", () => {
    write("package-lock.json", { packages: { ...packages, "node_modules/a": { version: "1.0.1" } } });
    expect(setup.treeMatchesLock(clone)).toBe(false);
    write("package-lock.json", { packages });
    rmSync(join(clone, "node_modules/a"), { recursive: true });
    expect(setup.treeMatchesLock(clone)).toBe(false);
  });
});

describe("readiness", () => {
  const sqlite = "node_modules/better-sqlite3/build/Release/better_sqlite3.node";
  const binary = "node_modules/faiss-node/build/Release/faiss-node.node";
  const stamp = (facts: object) =>
    write("node_modules/.agemem-setup.json", { ...setup.currentFacts(clone), ...facts });

  beforeEach(() => {
    write("package.json", {});
    write("package-lock.json", { packages: {} });
    write("node_modules/.package-lock.json", { packages: {} });
    write("node_modules/faiss-node/package.json", {});
    write(sqlite, "binary");
    write(binary, "binary");
    stamp({ faiss: "ready" });
  });

  it("holds while nothing changed", () => {
    expect(setup.isReady(clone, {})).toBe(true);
  });

  it.each([
    ["the lock file", () => write("package-lock.json", { packages: { "": {} } })],
    ["the stamp, torn", () => write("node_modules/.agemem-setup.json", '{"lock":')],
    ["another Node", () => stamp({ faiss: "ready", node: "1-linux-x64" })],
    ["an install by hand", () => stamp({ faiss: "ready", tree: 1 })],
    ["SQLite's binary", () => rmSync(join(clone, sqlite))],
    ["FAISS's binary", () => rmSync(join(clone, binary))],
  ])("ends with %s", (_, change) => {
    change();
    expect(setup.isReady(clone, {})).toBe(false);
  });

  it("ends when what could build a missing FAISS changes", () => {
    rmSync(join(clone, binary));
    stamp({ faiss: "none" });
    expect(setup.isReady(clone, {})).toBe(true);
    stamp({ faiss: "none", system: "{}" });
    expect(setup.isReady(clone, {})).toBe(false);
  });

  it("asks for FAISS once AGEMEM_INDEX=flat is no longer set", () => {
    rmSync(join(clone, binary));
    stamp({ faiss: "skipped" });
    expect(setup.isReady(clone, { AGEMEM_INDEX: "flat" })).toBe(true);
    expect(setup.isReady(clone, {})).toBe(false);
  });

  it("of this clone: the command prints nothing and leaves the stamp alone", () => {
    expect(setup.isReady(ROOT), "run `npm run setup` first").toBe(true);
    const read = () => readFileSync(join(modules, ".agemem-setup.json"), "utf8");
    const before = read();
    const out = execFileSync(process.execPath, [join(ROOT, "scripts/setup.mjs")], { encoding: "utf8" });
    expect(out).toBe("");
    expect(read()).toBe(before);
  });
});

describe("FAISS", () => {
  const binary = () => join(clone, "node_modules/faiss-node/build/Release/faiss-node.node");
  let server: Server | undefined;

  beforeEach(() => {
    write("package.json", { name: "scratch" });
    cpSync(join(modules, "faiss-node"), join(clone, "node_modules/faiss-node"), {
      recursive: true,
      filter: (path) => basename(path) !== "build",
    });
    for (const name of [
      "bindings",
      "file-uri-to-path",
      "node-addon-api",
      "node-api-headers",
      "prebuild-install",
    ]) {
      symlinkSync(join(modules, name), join(clone, "node_modules", name));
    }
  });
  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
    server = undefined;
  });

  /** Serves `answer` for every request, or never answers. Gives the environment that sends downloads there. */
  async function binaryHost(answer?: Buffer): Promise<Record<string, string>> {
    server = createServer((_, response) => {
      if (answer) response.end(answer);
    });
    await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    return {
      npm_config_faiss_node_binary_host: `http://127.0.0.1:${port}`,
      npm_config_cache: join(clone, "cache"),
    };
  }

  /** Runs the FAISS step on the scratch clone in a process of its own. */
  async function ensure(env: Record<string, string>): Promise<{ state: string; said: string }> {
    const code = `import { ensureFaiss } from ${JSON.stringify(script("faiss.mjs"))};
      process.stdout.write(await ensureFaiss(${JSON.stringify(clone)}));`;
    return new Promise((resolve, reject) => {
      const options = { env: { ...process.env, AGEMEM_PREBUILT_SECONDS: "0", ...env } };
      execFile(process.execPath, ["--input-type=module", "-e", code], options, (error, state, said) =>
        error ? reject(error) : resolve({ state, said }),
      );
    });
  }

  const noCompiler = { PATH: "", CXX: "" };

  it("falls back in one line when the network swallows the download and nothing can be built", async () => {
    const { state, said } = await ensure({
      ...(await binaryHost()),
      ...noCompiler,
      AGEMEM_PREBUILT_SECONDS: "1",
    });
    expect(state).toBe("none");
    expect(said.trim().split("\n")).toHaveLength(1);
    expect(said).toContain("no answer within 1 s");
    expect(said).toContain("apt-get install libfaiss-dev g++, then npm run setup");
    expect(existsSync(binary())).toBe(false);
  });

  it("removes a binary that does not run", async () => {
    mkdirSync(dirname(binary()), { recursive: true });
    writeFileSync(binary(), "not a binary");
    expect((await ensure(noCompiler)).state).toBe("none");
    expect(existsSync(binary())).toBe(false);
  });

  it.skipIf(!hasBinary)("takes the prebuilt binary when it can be fetched", async () => {
    const source = join(modules, "faiss-node");
    const tarball = execFileSync("tar", ["-czf", "-", "-C", source, "build/Release/faiss-node.node"], {
      maxBuffer: 64 * 1024 * 1024,
    });
    const env = { ...(await binaryHost(tarball)), ...noCompiler, AGEMEM_PREBUILT_SECONDS: "20" };
    const { state, said } = await ensure(env);
    expect(said).toContain("fetched faiss-node's prebuilt binary");
    expect(state).toBe("ready");
    expect(await ensure(env)).toEqual({ state: "ready", said: "" });
  });

  it.skipIf(!canBuild)("builds against the system's FAISS when there is no prebuilt binary", async () => {
    const { state, said } = await ensure({});
    expect(said).toContain("built faiss-node against the system's FAISS");
    expect(state).toBe("ready");
  });
});
