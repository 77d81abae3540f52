/** Whether programs that are installed in a folder of their own are there to the end. Leaves out installing (`scripts/`). */
import { existsSync } from "node:fs";
import { join } from "node:path";

/** Written last: without it an installation goes on, or was interrupted. */
const STAMP = "agemem-stamp";

/** Whether the installation in a folder came to its end. */
export function isInstalled(home: string): boolean {
  return existsSync(join(home, STAMP));
}
