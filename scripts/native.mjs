/**
 * Small pieces for getting native add-ons to run: bounded child processes, prebuilt binaries, checks in a child.
 *
 * Node built-ins only, because it runs before anything is installed; shipped with the package for `faiss.mjs`.
 * Leaves out: what to do for which add-on (`faiss.mjs`, `sqlite.mjs`) and the order of the steps (`setup.mjs`).
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";

const POSIX = process.platform !== "win32";
const running = new Set();
let watching = false;

/** Kills a child with everything it started: compilers and package managers have children of their own. */
function killTree(child) {
  try {
    if (POSIX) process.kill(-child.pid, "SIGKILL");
    else child.kill("SIGKILL");
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

/** An interrupted set-up takes its children with it: they lead process groups of their own. */
function watchSignals() {
  if (watching) return;
  watching = true;
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ]) {
    process.once(signal, () => {
      for (const child of running) killTree(child);
      process.exit(code);
    });
  }
}

/**
 * Runs a program to its end or to its time limit, without standard input, and collects what it prints.
 * Never throws: a program that cannot be started has `code: 127`.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: Record<string, string>, seconds?: number }} [options] default limit 600 s
 * @returns {Promise<{ ok: boolean, code: number, output: string, timedOut: boolean }>}
 */
export function run(command, args, { cwd, env, seconds = 600 } = {}) {
  return new Promise((resolve) => {
    let output = "";
    let timedOut = false;
    watchSignals();
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: POSIX,
    });
    running.add(child);
    const timer = setTimeout(() => {
      timedOut = true;
      killTree(child);
    }, seconds * 1000);
    const collect = (chunk) => {
      output = (output + chunk).slice(-100_000);
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    const end = (code) => {
      clearTimeout(timer);
      running.delete(child);
      resolve({ ok: code === 0 && !timedOut, code, output, timedOut });
    };
    child.on("error", (error) => {
      output += error.message;
      end(127);
    });
    child.on("close", (code) => end(code ?? 1));
  });
}

/** Runs the npm that started this process, or the one on the PATH. Options and result as {@link run}. */
export function npm(args, options) {
  const cli = process.env.npm_execpath;
  if (cli && /npm-cli\.c?js$/.test(cli) && existsSync(cli)) {
    return run(process.execPath, [cli, ...args], options);
  }
  return POSIX ? run("npm", args, options) : run("cmd.exe", ["/d", "/s", "/c", "npm", ...args], options);
}

/** One line per step on standard error, so that a program's standard output stays its own. */
export function say(line) {
  process.stderr.write(`[setup] ${line}\n`);
}

/** "3.2 s" since a `Date.now()`. */
export function since(start) {
  return `${((Date.now() - start) / 1000).toFixed(1)} s`;
}

/** The last line of a program's output that tells something, for a one-line report. */
export function lastLine(output) {
  const idle = /^$|^(npm|gyp) (error|ERR!|warn|info)$|A complete log of this run/i;
  const lines = output.split("\n").map((line) => line.trim());
  return lines.findLast((line) => !idle.test(line)) ?? "no output";
}

/** Folder of an installed package as seen from the package at `root`, or undefined. */
export function findPackage(root, name) {
  for (const base of createRequire(join(root, "package.json")).resolve.paths(name) ?? []) {
    if (existsSync(join(base, name, "package.json"))) return join(base, name);
  }
  return undefined;
}

/** First of the given programs that is on the PATH, or undefined. */
export function findProgram(...names) {
  const folders = (process.env.PATH ?? "").split(delimiter).filter(Boolean);
  const isFile = (path) => existsSync(path) && statSync(path).isFile();
  return names.find((name) => folders.some((folder) => isFile(join(folder, name))));
}

/** Installation prefix of the running Node when it ships the headers of exactly this version, or undefined. */
export function nodeHeadersPrefix() {
  const prefix = dirname(dirname(process.execPath));
  const header = join(prefix, "include", "node", "node_version.h");
  if (!existsSync(header)) return undefined;
  const text = readFileSync(header, "utf8");
  const part = (name) => text.match(new RegExp(`#define NODE_${name}_VERSION (\\d+)`))?.[1];
  const version = [part("MAJOR"), part("MINOR"), part("PATCH")].join(".");
  return version === process.versions.node ? prefix : undefined;
}

/** Runs CommonJS code in a child, since a broken add-on may end its process. True when it printed "works". */
export async function worksInChild(packageDir, code) {
  const result = await run(process.execPath, ["-e", code, packageDir], { cwd: packageDir, seconds: 60 });
  return result.ok && result.output.trimEnd().endsWith("works");
}

/**
 * Downloads an add-on's prebuilt binary with `prebuild-install`, bounded in time: a network that swallows
 * packets must not stop the set-up. `AGEMEM_PREBUILT_SECONDS` changes the limit (default 20; 0 skips).
 *
 * @returns {Promise<string | undefined>} why there is none, or undefined when it was fetched
 */
export async function fetchPrebuilt(root, packageDir, args = []) {
  const seconds = Number(process.env.AGEMEM_PREBUILT_SECONDS ?? 20);
  if (!(seconds > 0)) return "skipped by AGEMEM_PREBUILT_SECONDS";
  const tool = findPackage(packageDir, "prebuild-install") ?? findPackage(root, "prebuild-install");
  if (!tool) return "prebuild-install is not installed";
  const result = await run(process.execPath, [join(tool, "bin.js"), ...args], { cwd: packageDir, seconds });
  if (result.ok) return undefined;
  return result.timedOut
    ? `no answer within ${seconds} s`
    : lastLine(result.output).replace(/^.*warn install /i, "");
}
