/** The error for an invalid row of a data file, which names the row and the field. */
import type { z } from "zod";
import { InputError } from "../../errors.js";

/** `AGEMEM_INPUT_FORMAT` for the first problem zod found in row `row` (counted from 0) of a file. */
export function formatError(path: string, row: number, error: z.ZodError): InputError {
  const issue = error.issues[0];
  const field = issue && issue.path.length > 0 ? issue.path.join(".") : "(the row itself)";
  return new InputError(
    "AGEMEM_INPUT_FORMAT",
    `${path}, row ${row}, field ${field}: ${issue?.message ?? "invalid"}`,
    {
      remedy: "Repair or remove the row.",
      details: { path, row, field },
    },
  );
}
