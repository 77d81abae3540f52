/** The published JSON Schema of trajectory records, for readers in other languages. */
import { z } from "zod";
import { recordSchema, TRAJECTORY_SCHEMA } from "./schema.js";

/**
 * JSON Schema (draft 2020-12) of one line of a trajectory file; also in `schemas/agemem.trajectory-1.json`.
 *
 * It states shapes and types. Rules between fields, such as equal lengths, are checked only by `validateFile`.
 *
 * @example
 * await writeFile("schema.json", JSON.stringify(trajectoryJsonSchema(), null, 2));
 */
export function trajectoryJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(recordSchema, { io: "input", target: "draft-2020-12" });
  return { $schema, $id: `${TRAJECTORY_SCHEMA}.json`, title: TRAJECTORY_SCHEMA, ...schema };
}
