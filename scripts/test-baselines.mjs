/**
 * Tests on other projects' memories: `npm run test:baselines`. Installs them (`npm run baselines`), then runs
 * `tests/evaluation/systems/real` on those; `--all` takes A-Mem too, whose installation takes minutes.
 *
 * Fails, and never skips, when something cannot be installed; `--optional` lets only an index that cannot be reached pass, and says
 * so. Vitest's arguments are passed on. Node built-ins only.
 */
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { baselinesFolder, chosenBaselines, installBaselines } from "./baselines.mjs";
import { pythonIndexAnswers } from "./python-env.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const rest = process.argv.slice(2).filter((argument) => argument !== "--optional" && argument !== "--all");
const names = chosenBaselines(process.argv);
if (process.argv.includes("--optional") && !(await pythonIndexAnswers())) {
  console.log("test:baselines: NOT RUN, the Python package index cannot be reached");
} else {
  try {
    await installBaselines(names);
  } catch (error) {
    console.log(`test:baselines: failed: ${error.message}`);
    process.exit(1);
  }
  const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
  const { status, error } = spawnSync(
    process.execPath,
    [vitest, "run", "tests/evaluation/systems/real", ...rest],
    {
      cwd: root,
      stdio: "inherit",
      env: {
        ...process.env,
        AGEMEM_TEST_BASELINES: baselinesFolder,
        AGEMEM_TEST_PEERS: names.join(","),
      },
    },
  );
  if (error) throw error;
  process.exit(status ?? 1);
}
