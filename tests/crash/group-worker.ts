/** Writes through several handles at once until killed, and reports each write as it starts and as it is acknowledged. */
import { writeSync } from "node:fs";
import { openGroupStore, WRITERS, writePair } from "./group-load.js";

const [path, first] = [process.argv[2] as string, Number(process.argv[3])];
const store = await openGroupStore(path);
const handles = [store, await store.branch("trial")];
// Written straight to the pipe, so that nothing reported is lost with the process.
const report = (line: string): number => writeSync(1, `${line}\n`);
report("ready");

async function writer(lane: number): Promise<never> {
  const handle = handles[lane % handles.length] as (typeof handles)[number];
  for (let i = first; ; i++) {
    report(`start ${lane} ${i}`);
    const write = () => writePair(handle, lane, i);
    // Some sync later than they commit, which a killed process must not notice.
    await (lane % 3 === 0 ? store.syncTogether(write) : write());
    report(`done ${lane} ${i}`);
  }
}

await Promise.all(Array.from({ length: WRITERS }, (_, lane) => writer(lane)));
