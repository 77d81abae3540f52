/** Four processes on one directory. `npm run test:crash` runs 2,000 operations in each; a plain test run 60. */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../store/helpers.js";
import { NS, openCrashStore, readState } from "./load.js";

const FULL = process.env.npm_lifecycle_event === "test:crash";
const OPERATIONS = Number(process.env.AGEMEM_OPERATIONS ?? (FULL ? 2000 : 60));
const PROCESSES = 4;
const worker = fileURLToPath(new URL("./processes-worker.ts", import.meta.url));

interface Message {
  error?: string;
  shared?: string;
  key?: string;
  revision?: number;
  finished?: [string, string][];
}

it(`${PROCESSES} processes with ${OPERATIONS} operations each agree`, { timeout: 1_200_000 }, async () => {
  const path = temporaryDirectory();
  await (await openCrashStore(path)).close();
  const errors: string[] = [];
  const shared: string[] = [];
  const expected = new Map<string, string>();
  const children = Array.from({ length: PROCESSES }, (_, i) =>
    fork(worker, [path, `p${i}`, String(OPERATIONS)], { execArgv: ["--import", "tsx"] }),
  );
  await Promise.all(
    children.map(
      (child, i) =>
        new Promise<void>((resolve) => {
          child.on("message", (message: Message) => {
            if (message.error) errors.push(message.error);
            if (message.shared) shared.push(message.shared);
            for (const [key, text] of message.finished ?? []) expected.set(key, text);
            const other = children[(i + 1) % PROCESSES];
            if (message.key && other?.connected) other.send({ key: message.key, revision: message.revision });
          });
          child.on("exit", () => resolve());
        }),
    ),
  );
  expect(errors).toEqual([]);
  await using store = await openCrashStore(path);
  const state = await readState(store);
  state.delete("shared");
  expect([...state].sort()).toEqual([...expected].sort());
  // No update lost: each acknowledged write of the shared item is one entry of its history.
  const history = await store.history(NS, "shared");
  expect(history.map(({ value }) => String(value?.text)).sort()).toEqual(shared.sort());
  expect(await store.verify()).toMatchObject({ ok: true });
});
