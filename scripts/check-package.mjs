/**
 * The tarball as package managers, bundlers and TypeScript read it: publint, and are-the-types-wrong for an ESM package.
 *
 *   npm run check:package
 *
 * Packs this clone once, which builds it. Ends with 1 when either finds something.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { npm, run } from "./native.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const work = mkdtempSync(join(tmpdir(), "agemem-check-"));
try {
  const packed = await npm(["pack", "--silent", "--pack-destination", work], { cwd: ROOT, seconds: 600 });
  if (!packed.ok) throw new Error(`npm pack failed:\n${packed.output}`);
  const path = join(work, readdirSync(work)[0]);
  const tarball = new Uint8Array(readFileSync(path)).buffer;
  const { messages, pkg } = await publint({ pack: { tarball }, strict: true });
  const attw = join(ROOT, "node_modules/@arethetypeswrong/cli/dist/index.js");
  const args = [attw, path, "--profile", "esm-only", "--format", "ascii", "--no-emoji"];
  const types = await run(process.execPath, args, { cwd: ROOT, seconds: 600 });
  for (const message of messages) console.error(formatMessage(message, pkg));
  console.log(types.output.trim());
  console.log(`publint: ${messages.length === 0 ? "nothing found" : `${messages.length} found`}`);
  if (messages.length > 0 || !types.ok) process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
