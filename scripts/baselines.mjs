/**
 * Installs other projects' memories that agemem is compared with, each into a Python environment of its own: `npm run baselines`,
 * or `npm run baselines -- mem0`.
 *
 * `AGEMEM_BASELINES` names another folder than `.agemem/baselines`. An installation that fails ends with 1. Nothing of them is a
 * dependency of the package. Node built-ins only. Leaves out the servers (`examples/baselines/`).
 */
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { installEnvironment } from "./environments.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Steps of pip by environment. Mem0 is the version of the paper's time: graphs left it in 2.0. */
export const BASELINES = {
  mem0: [["mem0ai==1.0.11", "kuzu==0.11.3", "rank-bm25==0.2.2", "langchain-community==0.4.2"]],
  langmem: [["langmem==0.0.30", "langchain-openai==1.7.4"]],
};

export const baselinesFolder = resolve(root, process.env.AGEMEM_BASELINES ?? join(".agemem", "baselines"));

/** Installs those that are named, or all. Throws an Error that says what failed. */
export async function installBaselines(names = Object.keys(BASELINES)) {
  for (const name of names) {
    const seconds = await installEnvironment(name, baselinesFolder, BASELINES[name]);
    console.log(`${name}: ${seconds === 0 ? "there" : `installed in ${seconds.toFixed(0)} s`}`);
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const names = process.argv.slice(2);
  const unknown = names.find((name) => !Object.hasOwn(BASELINES, name));
  if (unknown !== undefined) {
    console.error(`no baseline "${unknown}"; there are ${Object.keys(BASELINES).join(", ")}`);
    process.exit(2);
  }
  await installBaselines(names.length > 0 ? names : undefined).catch((error) => {
    console.error(error.message);
    process.exit(1);
  });
}
