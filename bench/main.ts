/** `npm run bench -- NAME [options]`: runs one suite of this folder and prints its result as the last line. */
import { argv } from "node:process";

interface Suite {
  run(args: string[]): Promise<unknown>;
}

const [name = "", ...args] = argv.slice(2);
if (!/^[a-z-]+$/.test(name)) throw new TypeError("Name a suite: npm run bench -- store|retrieval [options]");
const suite = (await import(`./${name}.ts`)) as Suite;
console.log(JSON.stringify(await suite.run(args)));
