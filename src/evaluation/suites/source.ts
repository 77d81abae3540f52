/** Loads a benchmark by the name given on the command line. Owns the names of suites. */
import { InputError } from "../../errors.js";
import { loadFactConsolidation } from "./factconsolidation.js";
import { loadHotpotQaSuite } from "./hotpotqa-suite.js";
import { loadLocomoSuite } from "./locomo-suite.js";
import { loadLongMemEval } from "./longmemeval.js";
import { limitSuite, type Suite } from "./suite.js";

/** For help texts. */
export const SUITE_SOURCES = "factconsolidation:FILE, locomo:FILE, hotpotqa:FILE or longmemeval:FILE";

/**
 * Loads a memory benchmark.
 *
 * @throws InputError `AGEMEM_INPUT_ARGUMENT` for an unknown name; as the loaders for their files
 * @example
 * const suite = await loadSuite("locomo:locomo10.json", { limit: 20 });
 */
export async function loadSuite(
  name: string,
  options: { limit?: number; seed?: number; exclude?: readonly string[] } = {},
): Promise<Suite> {
  const suite = await read(name, options);
  return options.limit === undefined ? suite : limitSuite(suite, options.limit);
}

async function read(name: string, { seed = 0, exclude }: { seed?: number; exclude?: readonly string[] }) {
  const [, kind, path = ""] = /^([a-z]+):(.+)$/.exec(name) ?? [];
  switch (kind) {
    case "factconsolidation":
      return loadFactConsolidation(path);
    case "locomo":
      return loadLocomoSuite(path, exclude ? { exclude } : {});
    case "hotpotqa":
      return loadHotpotQaSuite(path, seed);
    case "longmemeval":
      return loadLongMemEval(path, seed);
    default:
      throw new InputError("AGEMEM_INPUT_ARGUMENT", `There is no suite ${name}`, {
        remedy: `Give ${SUITE_SOURCES}.`,
      });
  }
}
