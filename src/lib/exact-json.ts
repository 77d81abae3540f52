/**
 * JSON that preserves what plain JSON loses: bytes, dates, maps, sets, URLs, regular expressions, big integers, numbers
 * that are not finite.
 *
 * Owns the marks (`{ "$exact": kind, … }`). Instances of other classes are preserved if the caller supplies their
 * {@link InstanceForm}. Fields that are undefined are dropped; any other value that JSON would change is refused: other
 * instances, circular references, functions, symbols. Pure.
 */
import { InputError } from "../errors.js";

const MARK = "$exact";
type Json = null | string | number | boolean | Json[] | { [key: string]: Json };

/** How instances of a class are written and read back. */
export interface InstanceForm {
  /** Names the class in the JSON. */
  kind: string;
  is(value: object): boolean;
  /** The fields from which `read` makes an equal instance; they may be anything that can be written. */
  write(value: object): Record<string, unknown>;
  read(fields: Record<string, unknown>): object;
}

/** Built-in classes that are written by their fields. */
const VALUES: readonly InstanceForm[] = [
  {
    kind: "URL",
    is: (value) => value instanceof URL,
    write: (value) => ({ href: (value as URL).href }),
    read: ({ href }) => new URL(href as string),
  },
  {
    kind: "RegExp",
    is: (value) => value instanceof RegExp,
    write: (value) => ({ source: (value as RegExp).source, flags: (value as RegExp).flags }),
    read: ({ source, flags }) => new RegExp(source as string, flags as string),
  },
];

/**
 * Writes a value as JSON that {@link fromExactJson} reads back.
 *
 * @param forms the classes whose instances may occur
 * @throws InputError `AGEMEM_INPUT_ARGUMENT` for other instances, circular references, functions and symbols; the
 * message says where
 */
export function toExactJson(value: unknown, forms: readonly InstanceForm[] = []): Json {
  return new Writer([...VALUES, ...forms]).write(value, [], "");
}

class Writer {
  constructor(private readonly forms: readonly InstanceForm[]) {}

  write(value: unknown, above: readonly object[], path: string): Json {
    if (value === null || typeof value === "string" || typeof value === "boolean") return value;
    if (value === undefined) return { [MARK]: "undefined" };
    if (typeof value === "number") return writeNumber(value);
    if (typeof value === "bigint") return mark("bigint", String(value));
    if (typeof value !== "object") throw refusal(typeof value, path);
    if (above.includes(value)) throw refusal("circular reference", path);
    const inside = [...above, value];
    const each = (item: unknown, key: string | number) => this.write(item, inside, `${path}.${key}`);
    const form = this.forms.find((known) => known.is(value));
    if (form) return { ...mark("instance", writeFields(form.write(value), each)), type: form.kind };
    if (!isPlainOrBuiltIn(value)) throw refusal(`${value.constructor?.name || "class"} instance`, path);
    return writeBuiltIn(value, each) ?? writePlain(value, each);
  }
}

type Each = (item: unknown, key: string | number) => Json;

function writeNumber(value: number): Json {
  if (Object.is(value, -0)) return mark("number", "-0");
  return Number.isFinite(value) ? value : mark("number", String(value));
}

/** Exact prototypes, because an instance of a subclass would lose its class. */
const BUILT_INS: ReadonlySet<object> = new Set(
  [Array, Date, Map, Set, ArrayBuffer].map((each) => each.prototype),
);

function isPlainOrBuiltIn(value: object): boolean {
  const form: object | null = Object.getPrototypeOf(value);
  if (form === null || BUILT_INS.has(form)) return true;
  if (ArrayBuffer.isView(value)) return isKnownView(value.constructor.name);
  // Objects and arrays from another realm have prototypes of their own.
  if (Array.isArray(value)) return value.constructor.name === "Array";
  return Object.getPrototypeOf(form) === null && Object.hasOwn(form, "hasOwnProperty");
}

function writeBuiltIn(value: object, each: Each): Json | undefined {
  if (Array.isArray(value)) return value.map(each);
  if (value instanceof Date) return mark("date", Number.isNaN(value.getTime()) ? null : value.getTime());
  if (value instanceof ArrayBuffer)
    return { ...mark("bytes", base64(new Uint8Array(value))), type: "ArrayBuffer" };
  if (ArrayBuffer.isView(value)) {
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    return { ...mark("bytes", base64(bytes)), type: value.constructor.name };
  }
  if (value instanceof Map) return mark("map", [...value].map(each));
  if (value instanceof Set) return mark("set", [...value].map(each));
  return undefined;
}

function writePlain(value: object, each: Each): Json {
  const plain = writeFields(value, each);
  return MARK in plain ? mark("object", plain) : plain;
}

function writeFields(value: object, each: Each): { [key: string]: Json } {
  const fields = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(fields.map(([key, item]) => [key, each(item, key)]));
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
    `A message contains a ${what} at ${path.slice(1) || "its top"}, which cannot be archived`,
    {
      remedy: "The context is unchanged; keep such values out of messages and artifacts.",
      details: { path: path.slice(1) },
    },
  );
}

/**
 * The inverse of {@link toExactJson}. Plain JSON is copied.
 *
 * @param forms the classes it was written with
 */
export function fromExactJson(json: unknown, forms: readonly InstanceForm[] = []): unknown {
  if (typeof json !== "object" || json === null) return json;
  const read = (inner: unknown) => fromExactJson(inner, forms);
  if (Array.isArray(json)) return json.map(read);
  const { [MARK]: kind, value, type } = json as Record<string, unknown>;
  const reader = typeof kind === "string" ? READERS[kind] : undefined;
  if (reader) return reader(value, type as string, read);
  const fields = (of: object) =>
    Object.fromEntries(Object.entries(of).map(([key, item]) => [key, read(item)]));
  if (kind === "object") return fields(value as object);
  if (kind !== "instance") return fields(json);
  const form = [...VALUES, ...forms].find((known) => known.kind === type);
  return form ? form.read(fields(value as object)) : fields(value as object);
}

const READERS: Record<string, (value: unknown, type: string, read: (inner: unknown) => unknown) => unknown> =
  {
    undefined: () => undefined,
    number: (value) => Number(value),
    bigint: (value) => BigInt(value as string),
    date: (value) => new Date(value === null ? Number.NaN : (value as number)),
    map: (value, _, read) => new Map(read(value) as [unknown, unknown][]),
    set: (value, _, read) => new Set(read(value) as unknown[]),
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

function isKnownView(name: string): boolean {
  return name === "Buffer" || name === "Uint8Array" || Object.hasOwn(VIEWS, name);
}

function bytesOf(text: string, type: string): unknown {
  const bytes = Buffer.from(text, "base64");
  if (type === "Buffer") return bytes;
  const own = new Uint8Array(bytes);
  if (type === "ArrayBuffer") return own.buffer;
  const View = VIEWS[type];
  return View ? new View(own.buffer) : own;
}
