/**
 * JSON that gives back what JSON loses: bytes, dates, maps, sets, big integers, numbers that are not finite.
 *
 * Owns the marks (`{ "$exact": kind, … }`). Objects with a form of their own (`toJSON`, classes) are written in it, as
 * LangGraph's checkpointers do. What has no form at all is refused: circles, functions, symbols. Pure.
 */
import { InputError } from "../errors.js";

const MARK = "$exact";
type Json = null | string | number | boolean | Json[] | { [key: string]: Json };

/**
 * The value as JSON that {@link fromExactJson} reads back.
 *
 * @throws InputError `AGEMEM_INPUT_ARGUMENT` for circles, functions and symbols; the message says where
 */
export function toExactJson(value: unknown): Json {
  return encode(value, [], "");
}

function encode(value: unknown, above: readonly object[], path: string): Json {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (value === undefined) return { [MARK]: "undefined" };
  if (typeof value === "number") {
    return Number.isFinite(value) && !Object.is(value, -0)
      ? value
      : mark("number", Object.is(value, -0) ? "-0" : String(value));
  }
  if (typeof value === "bigint") return mark("bigint", String(value));
  if (typeof value !== "object") throw refusal(typeof value, path);
  if (above.includes(value)) throw refusal("circle", path);
  const inside = [...above, value];
  const each = (item: unknown, key: string | number) => encode(item, inside, `${path}.${key}`);
  if (Array.isArray(value)) return value.map(each);
  if (value instanceof Date) return mark("date", Number.isNaN(value.getTime()) ? null : value.getTime());
  if (value instanceof ArrayBuffer)
    return { ...mark("bytes", base64(new Uint8Array(value))), type: "ArrayBuffer" };
  if (ArrayBuffer.isView(value)) {
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    return { ...mark("bytes", base64(bytes)), type: value.constructor.name };
  }
  if (value instanceof Map)
    return mark(
      "map",
      [...value].map((entry, i) => each(entry, i)),
    );
  if (value instanceof Set) return mark("set", [...value].map(each));
  const { toJSON } = value as { toJSON?: (key: string) => unknown };
  if (typeof toJSON === "function") return encode(toJSON.call(value, ""), inside, path);
  const fields = Object.entries(value).filter(([, item]) => item !== undefined);
  const plain = Object.fromEntries(fields.map(([key, item]) => [key, each(item, key)]));
  return MARK in plain ? mark("object", plain) : plain;
}

function mark(kind: string, value: Json): { [key: string]: Json } {
  return { [MARK]: kind, value };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

function refusal(what: string, path: string): InputError {
  return new InputError(
    "AGEMEM_INPUT_ARGUMENT",
    `A message holds a ${what} at ${path.slice(1) || "its top"}, which cannot be archived`,
    {
      remedy: "The context is unchanged; keep such values out of messages and artifacts.",
      details: { path: path.slice(1) },
    },
  );
}

/** The inverse of {@link toExactJson}; plain JSON comes back as it is, as a copy. */
export function fromExactJson(json: unknown): unknown {
  if (typeof json !== "object" || json === null) return json;
  if (Array.isArray(json)) return json.map(fromExactJson);
  const { [MARK]: kind, value, type } = json as Record<string, unknown>;
  const read = typeof kind === "string" ? READERS[kind] : undefined;
  return read ? read(value, type as string) : decodeFields(json);
}

const decodeFields = (json: object): Record<string, unknown> =>
  Object.fromEntries(Object.entries(json).map(([key, item]) => [key, fromExactJson(item)]));

const READERS: Record<string, (value: unknown, type: string) => unknown> = {
  undefined: () => undefined,
  number: (value) => Number(value),
  bigint: (value) => BigInt(value as string),
  date: (value) => new Date(value === null ? Number.NaN : (value as number)),
  map: (value) => new Map(fromExactJson(value) as [unknown, unknown][]),
  set: (value) => new Set(fromExactJson(value) as unknown[]),
  object: (value) => decodeFields(value as object),
  bytes: (value, type) => bytesOf(value as string, type),
};

const VIEWS: Record<string, (new (buffer: ArrayBuffer) => unknown) | undefined> = {
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  DataView,
};

function bytesOf(text: string, type: string): unknown {
  const bytes = Buffer.from(text, "base64");
  if (type === "Buffer") return bytes;
  const own = new Uint8Array(bytes);
  if (type === "ArrayBuffer") return own.buffer;
  const View = VIEWS[type];
  return View ? new View(own.buffer) : own;
}
