import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CommanderError } from "commander";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EXIT_CODES, exitCodeOf } from "../../src/cli/exit-codes.js";
import { ConfigError, InputError, ModelError, StoreError } from "../../src/errors.js";
import { FaissStore } from "../../src/store/faiss-store.js";
import { ROOT } from "../support/source-tree.js";
import { run, temporaryDirectory } from "./program.js";

describe("exit codes", () => {
  let dir: Awaited<ReturnType<typeof temporaryDirectory>>;
  beforeAll(async () => {
    dir = await temporaryDirectory();
    await (await FaissStore.open(join(dir.path, "store"))).close();
  });
  afterAll(() => dir.remove());

  it("are in the documents as they are in the program", () => {
    const rows = readFileSync(join(ROOT, "docs/command-line.md"), "utf8").matchAll(/^\| (\d+) \| (.+) \|$/gm);
    expect(Object.fromEntries([...rows].map(([, code, meaning]) => [code, meaning]))).toEqual(EXIT_CODES);
  });

  it.each([
    [2, new CommanderError(1, "commander.unknownOption", "")],
    [0, new CommanderError(0, "commander.helpDisplayed", "")],
    [2, new InputError("AGEMEM_INPUT_ARGUMENT", "")],
    [2, new InputError("AGEMEM_INPUT_FILE", "")],
    [2, new ConfigError("AGEMEM_CONFIG_INVALID", "")],
    [1, new InputError("AGEMEM_MEMORY_NOT_FOUND", "")],
    [1, new ConfigError("AGEMEM_PACKAGE_MISSING", "")],
    [1, new StoreError("AGEMEM_STORE_LOCKED", "")],
    [1, new ModelError("AGEMEM_MODEL_UNREACHABLE", "")],
    [1, new TypeError("a mistake of the program")],
  ])("%i: %o", (code, error) => {
    expect(exitCodeOf(error)).toBe(code);
  });

  it.each([
    [0, ["--version"]],
    [0, ["memory", "ls", "--help"]],
    [2, []],
    [2, ["nonsense"]],
    [2, ["memory", "ls", "--nonsense"]],
    [2, ["memory", "vacuum", "--keep-revisions", "many"]],
    [2, ["memory", "search", "tea", "--mode", "nonsense"]],
    [2, ["memory", "get", "memories"]],
    [1, ["memory", "get", "memories", "none"]],
    [0, ["memory", "verify"]],
  ] as const)(
    "%i: agemem %j",
    async (code, args) => {
      const store = args[0] === "memory" ? ["--store", join(dir.path, "store")] : [];
      const [first, ...rest] = args;
      expect((await run(first ? [first, ...store, ...rest] : [])).code).toBe(code);
    },
    60_000,
  );
});
