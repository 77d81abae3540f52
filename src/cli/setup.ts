/** `agemem setup`: makes the native add-ons work in the project that uses the package, or says what is missing. */
import { dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { ConfigError, messageOf } from "../errors.js";
import { addonFolders } from "../store/addons.js";

/** What the setup scripts export; they are plain JavaScript, because they run before anything is installed. */
interface Scripts {
  ensureAddons(
    root: string,
    project: string,
  ): Promise<{ sqlite: string; faiss: string | null; folder: string }>;
  projectFolder(from: string): string;
}

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** The command, for the program of `main.ts`. */
export function setupCommand(): Command {
  return new Command("setup")
    .description("fetch or build better-sqlite3 and FAISS for this project, into .agemem/native")
    .action(async () => {
      const scripts = (await import(new URL("../../scripts/addons.mjs", import.meta.url).href)) as Scripts;
      const project = scripts.projectFolder(process.cwd());
      const { sqlite, faiss, folder } = await ensure(scripts, project);
      console.log(`better-sqlite3: ${sqlite}`);
      console.log(`FAISS: ${faiss ?? "none; vectors are searched by the exact scan"}`);
      const used = [sqlite, faiss].some((path) => path?.startsWith(folder + sep));
      if (used && !addonFolders().includes(folder)) {
        console.log(`agemem is not installed below ${project}: set AGEMEM_NATIVE=${folder} for your program`);
      }
    });
}

async function ensure(scripts: Scripts, project: string): ReturnType<Scripts["ensureAddons"]> {
  try {
    return await scripts.ensureAddons(ROOT, project);
  } catch (cause) {
    throw new ConfigError("AGEMEM_PACKAGE_MISSING", messageOf(cause), {
      cause,
      details: { folder: join(project, ".agemem", "native") },
    });
  }
}
