/**
 * `npm run test:python`: the tests of `examples/grpo-trainer`, in an environment of their own. Node built-ins only.
 *
 * `--optional` ends with 0 and the reason when the environment cannot be made in time; a failing test fails either way.
 * Other arguments go to pytest. The tests marked `node` start the rollout service and take minutes; `-m "not node"`
 * leaves them out.
 */
import { spawn } from "node:child_process";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { pythonForTests } from "./python-env.mjs";

const project = resolve(dirname(fileURLToPath(import.meta.url)), "..", "examples", "grpo-trainer");
const optional = process.argv.includes("--optional");
const rest = process.argv.slice(2).filter((argument) => argument !== "--optional");

function pytest(python) {
  return new Promise((done, failed) => {
    const options = {
      cwd: project,
      stdio: "inherit",
      env: { ...process.env, TOKENIZERS_PARALLELISM: "false" },
    };
    const child = spawn(python, ["-m", "pytest", ...rest], options);
    child.once("error", failed);
    child.once("exit", (code) => done(code ?? 1));
  });
}

const say = (line) => console.log(`test:python: ${line}`);
const python = await pythonForTests({ project, say, optional });
if (python) process.exitCode = await pytest(python);
