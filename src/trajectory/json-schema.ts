/** The published JSON Schemas of trajectory records, plain and packed, for readers in other languages. */
import { z } from "zod";
import { PACKED_SCHEMA } from "./recording/packing.js";
import { recordSchema, TRAJECTORY_SCHEMA } from "./schema.js";

type Json = Record<string, unknown>;
interface Branch extends Json {
  properties: Record<string, Json>;
}

/**
 * JSON Schema (draft 2020-12) of one line of a trajectory file: version 1 of plain files (`schemas/agemem.trajectory-1.json`),
 * version 2 of packed ones (`schemas/agemem.trajectory-2.json`). Default 1.
 *
 * It states shapes and types. Rules between fields, such as equal lengths, and whether a packed line refers to something that
 * was there, are checked only by `validateFile`.
 *
 * @example
 * await writeFile("schema.json", JSON.stringify(trajectoryJsonSchema(), null, 2));
 */
export function trajectoryJsonSchema(version: 1 | 2 = 1): Record<string, unknown> {
  const { $schema, oneOf, ...rest } = z.toJSONSchema(recordSchema, { io: "input", target: "draft-2020-12" });
  const name = version === 1 ? TRAJECTORY_SCHEMA : PACKED_SCHEMA;
  const branches = oneOf as unknown as Branch[];
  return {
    $schema,
    $id: `${name}.json`,
    title: name,
    ...rest,
    oneOf: version === 1 ? branches : branches.map(packed),
  };
}

/** A kind of record as a packed line: what may be a reference is widened, all else is as it was. */
function packed(branch: Branch): Branch {
  const { messages, tools, prompt_token_ids: ids, ...others } = branch.properties;
  const properties: Record<string, Json> = {
    ...others,
    schema: { ...others.schema, const: PACKED_SCHEMA },
    ...(messages && { messages: listOr(messages, NUMBER) }),
    ...(tools && { tools: listOr(tools, NUMBER) }),
    ...(ids && {
      prompt_token_ids: { ...ids, anyOf: (ids.anyOf as Json[]).map((each) => listOr(each, COPY)) },
    }),
  };
  // In the order of version 1, so that the two files can be read side by side.
  const ordered = Object.keys(branch.properties).map((key) => [key, properties[key] as Json]);
  return { ...branch, properties: Object.fromEntries(ordered) };
}

/** A list whose elements may also be a reference; what is no list stays. */
function listOr(schema: Json, reference: Json): Json {
  return schema.type === "array" ? { ...schema, items: { anyOf: [reference, schema.items] } } : schema;
}

const NUMBER: Json = {
  description: "Number of an earlier element of this rollout, in the order of first appearance, from 0.",
  type: "integer",
  minimum: 0,
};

const COPY: Json = {
  description:
    "Offset and length of a piece of the prompt and response of the latest earlier call with this call_role.",
  type: "array",
  prefixItems: [
    { type: "integer", minimum: 0 },
    { type: "integer", minimum: 1 },
  ],
  items: false,
  minItems: 2,
  maxItems: 2,
};
