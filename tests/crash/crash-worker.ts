/** Runs the load from an operation on, and reports each as it starts and as it is acknowledged, until killed. */
import { writeSync } from "node:fs";
import { openCrashStore, runOperation } from "./load.js";

const [path, first] = [process.argv[2] as string, Number(process.argv[3])];
const store = await openCrashStore(path);
// Written straight to the pipe, so that nothing reported is lost with the process.
const report = (line: string): number => writeSync(1, `${line}\n`);
report("ready");
for (let i = first; ; i++) {
  report(`start ${i}`);
  await runOperation(store, path, i);
  report(`done ${i}`);
}
