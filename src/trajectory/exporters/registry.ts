/** The export formats by name. */
import { InputError } from "../../errors.js";
import type { Exporter } from "../exporter.js";
import { chatExporter } from "./chat.js";
import { trinityExporter } from "./trinity.js";
import { trlExporter } from "./trl.js";
import { verlExporter } from "./verl.js";

export const EXPORTERS = {
  trl: trlExporter,
  chat: chatExporter,
  trinity: trinityExporter,
  verl: verlExporter,
} as const satisfies Record<string, Exporter>;

export type ExporterName = keyof typeof EXPORTERS;

/** The exporter with a given name. @throws InputError `AGEMEM_INPUT_ARGUMENT` for an unknown name */
export function exporterByName(name: string): Exporter {
  if (Object.hasOwn(EXPORTERS, name)) return EXPORTERS[name as ExporterName];
  throw new InputError("AGEMEM_INPUT_ARGUMENT", `There is no export format "${name}"`, {
    remedy: `Use one of ${Object.keys(EXPORTERS).join(", ")}.`,
  });
}
