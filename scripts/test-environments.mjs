/**
 * Tests on real environments: `npm run test:environments`. Installs them (`npm run environments`), then runs
 * `tests/evaluation/environments/real`.
 *
 * Fails, and never skips, when something cannot be installed; `--optional` lets only an index that cannot be reached pass, and says
 * so. Takes minutes; vitest's arguments are passed on. The lists of tasks are not part of the project: `AGEMEM_TEST_DATA` names the
 * folder that holds `alfworld/` and `agentboard/`. Node built-ins only.
 */
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { environmentsFolder, installEnvironment, STEPS } from "./environments.mjs";
import { pythonIndexAnswers } from "./python-env.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const rest = process.argv.slice(2).filter((argument) => argument !== "--optional");
if (process.argv.includes("--optional") && !(await pythonIndexAnswers())) {
  console.log("test:environments: NOT RUN, the Python package index cannot be reached");
} else {
  for (const name of Object.keys(STEPS)) {
    try {
      const seconds = await installEnvironment(name);
      console.log(
        `test:environments: ${name} ${seconds ? `installed in ${seconds.toFixed(0)} s` : "is there already"}`,
      );
    } catch (error) {
      console.log(`test:environments: failed: ${error.message}`);
      process.exit(1);
    }
  }
  const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
  const { status, error } = spawnSync(
    process.execPath,
    [vitest, "run", "tests/evaluation/environments/real", ...rest],
    { cwd: root, stdio: "inherit", env: { ...process.env, AGEMEM_TEST_ENVIRONMENTS: environmentsFolder } },
  );
  if (error) throw error;
  process.exit(status ?? 1);
}
