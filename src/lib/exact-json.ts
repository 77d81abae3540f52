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
  return new Writer([...VALUES, ...forms]).write(value, "");
}

/** Methods and a stack instead of closures: messages are written at every call of a model. */
class Writer {
  /** The objects around the one being written, and the keys that lead to it. */
  private readonly above: object[] = [];
  private readonly keys: (string | number)[] = [];

  constructor(private readonly forms: readonly InstanceForm[]) {}

  write(value: unknown, key: string | number): Json {
    if (value === null || typeof value === "string" || typeof value === "boolean") return value;
    if (value === undefined) return { [MARK]: "undefined" };
    if (typeof value === "number") return writeNumber(value);
    if (typeof value === "bigint") return mark("bigint", String(value));
    this.keys.push(key);
    if (typeof value !== "object") throw refusal(typeof value, this.keys);
    if (this.above.includes(value)) throw refusal("circular reference", this.keys);
    this.above.push(value);
    const written = this.writeObject(value);
    this.above.pop();
    this.keys.pop();
    return written;
  }

  private writeObject(value: object): Json {
    if (Object.getPrototypeOf(value) === Object.prototype) return this.writePlain(value);
    if (Object.getPrototypeOf(value) === Array.prototype) return this.writeItems(value as unknown[]);
    const form = this.forms.find((known) => known.is(value));
    if (form) return { ...mark("instance", this.writeFields(form.write(value))), type: form.kind };
    if (!isPlainOrBuiltIn(value)) throw refusal(`${value.constructor?.name || "class"} instance`, this.keys);
    return this.writeBuiltIn(value) ?? this.writePlain(value);
  }

  private writeItems(items: readonly unknown[]): Json[] {
    return items.map((item, at) => this.write(item, at));
  }

  private writeBuiltIn(value: object): Json | undefined {
    if (Array.isArray(value)) return this.writeItems(value);
    if (value instanceof Date) return mark("date", Number.isNaN(value.getTime()) ? null : value.getTime());
    if (value instanceof ArrayBuffer)
      return { ...mark("bytes", base64(new Uint8Array(value))), type: "ArrayBuffer" };
    if (ArrayBuffer.isView(value)) {
      const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      return { ...mark("bytes", base64(bytes)), type: value.constructor.name };
    }
    if (value instanceof Map) return mark("map", this.writeItems([...value]));
    if (value instanceof Set) return mark("set", this.writeItems([...value]));
    return undefined;
  }

  private writePlain(value: object): Json {
    const plain = this.writeFields(value);
    return Object.hasOwn(plain, MARK) ? mark("object", plain) : plain;
  }

  private writeFields(value: object): { [key: string]: Json } {
    const written: { [key: string]: Json } = {};
    for (const key of Object.keys(value)) {
      const item = (value as Record<string, unknown>)[key];
      if (item !== undefined) setField(written, key, this.write(item, key));
    }
    return written;
  }
}

/** Sets a field of its own also for the key `__proto__`, where an assignment would replace the prototype. */
function setField(fields: Record<string, unknown>, key: string, value: unknown): void {
  if (key !== "__proto__") fields[key] = value;
  else Object.defineProperty(fields, key, { value, enumerable: true, configurable: true, writable: true });
}

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

function mark(kind: string, value: Json): { [key: string]: Json } {
  return { [MARK]: kind, value };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

function refusal(what: string, keys: readonly (string | number)[]): InputError {
  const path = keys.slice(1).join(".");
  return new InputError(
    "AGEMEM_INPUT_ARGUMENT",
    `A message contains a ${what} at ${path || "its top"}, which cannot be archived`,
    {
      remedy: "The context is unchanged; keep such values out of messages and artifacts.",
      details: { path },
    },
  );
}

/**
 * The inverse of {@link toExactJson}. Plain JSON is copied.
 *
 * @param forms the classes it was written with
 */
export function fromExactJson(json: unknown, forms: readonly InstanceForm[] = []): unknown {
  return read(json, [...VALUES, ...forms]);
}

function read(json: unknown, forms: readonly InstanceForm[]): unknown {
  if (typeof json !== "object" || json === null) return json;
  if (Array.isArray(json)) return json.map((item) => read(item, forms));
  if (!Object.hasOwn(json, MARK)) return readFields(json, forms);
  const { [MARK]: kind, value, type } = json as Record<string, unknown>;
  const reader = typeof kind === "string" && Object.hasOwn(READERS, kind) ? READERS[kind] : undefined;
  if (reader) return reader(value, type as string, forms);
  if (kind === "object") return readFields(value as object, forms);
  if (kind !== "instance") return readFields(json, forms);
  const fields = readFields(value as object, forms);
  return forms.find((known) => known.kind === type)?.read(fields) ?? fields;
}

function readFields(json: object, forms: readonly InstanceForm[]): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const key of Object.keys(json)) {
    setField(fields, key, read((json as Record<string, unknown>)[key], forms));
  }
  return fields;
}

type Reader = (value: unknown, type: string, forms: readonly InstanceForm[]) => unknown;

const READERS: Record<string, Reader> = {
  undefined: () => undefined,
  number: (value) => Number(value),
  bigint: (value) => BigInt(value as string),
  date: (value) => new Date(value === null ? Number.NaN : (value as number)),
  map: (value, _, forms) => new Map(read(value, forms) as [unknown, unknown][]),
  set: (value, _, forms) => new Set(read(value, forms) as unknown[]),
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
