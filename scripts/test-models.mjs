/**
 * Tests on real models: `npm run test:models`. Gets models and packages (`npm run models`), then runs `tests/models/real`.
 *
 * Fails, and never skips, when something cannot be installed; `--optional` lets only indexes that cannot be reached pass, and says
 * so. Takes minutes; vitest's arguments are passed on. Node built-ins only.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { npm, run } from "./native.mjs";
import { findPython } from "./python-env.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

function must(args, env = {}) {
  const { status, error } = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, ...env },
  });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

/** What cannot be reached of npm's registry and the Python package index; undefined when both answer. */
async function outOfReach() {
  const options = { cwd: tmpdir(), seconds: 60 };
  if (!(await npm(["view", "node-llama-cpp", "version"], options)).ok) return "npm's registry";
  const python = await findPython();
  // Without Python the tests fail, and say why.
  if (!python) return undefined;
  const scratch = mkdtempSync(join(tmpdir(), "agemem-index-"));
  const asked = await run(python, ["-m", "pip", "download", "--no-deps", "-d", scratch, "pip"], options);
  rmSync(scratch, { recursive: true, force: true });
  return asked.ok ? undefined : "the Python package index";
}

const rest = process.argv.slice(2).filter((argument) => argument !== "--optional");
const missing = process.argv.includes("--optional") ? await outOfReach() : undefined;
if (missing) {
  console.log(`test:models: NOT RUN, ${missing} cannot be reached`);
} else {
  must([join(root, "scripts", "models.mjs")]);
  must([join(root, "node_modules", "vitest", "vitest.mjs"), "run", "tests/models/real", ...rest], {
    AGEMEM_TEST_MODELS: process.env.AGEMEM_MODELS ?? join(root, ".agemem", "models"),
  });
}
