/**
 * Tests on real models: `npm run test:models`. Gets models and packages (`npm run models`), then runs `tests/models/real`.
 *
 * Fails, and never skips, when something cannot be installed. Takes minutes; vitest's arguments are passed on. Node built-ins
 * only.
 */
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

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

must([join(root, "scripts", "models.mjs")]);
must(
  [join(root, "node_modules", "vitest", "vitest.mjs"), "run", "tests/models/real", ...process.argv.slice(2)],
  {
    AGEMEM_TEST_MODELS: process.env.AGEMEM_MODELS ?? join(root, ".agemem", "models"),
  },
);
