/** JSON Lines on disk: appends that survive a crash, and streaming reads that name the broken line and unpack `.gz`. */
import { createReadStream } from "node:fs";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { InputError, messageOf } from "../errors.js";

/** Reads a JSON file. Throws `AGEMEM_INPUT_FILE` (missing, unreadable) or `AGEMEM_INPUT_FORMAT` (not JSON). */
export async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw fileError(path, cause);
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new InputError("AGEMEM_INPUT_FORMAT", `${path} is not JSON: ${messageOf(cause)}`, {
      cause,
      remedy: "Use a file in one of the documented formats.",
      details: { path },
    });
  }
}

/** One parsed line with its number, counted from 1. */
export interface JsonLine {
  line: number;
  value: unknown;
}

/** Bytes of a file: from `start` up to `end`, which is not among them; in a `.gz` whole gzip members. */
export interface ByteRange {
  start: number;
  end: number;
}

/**
 * Streams a JSONL file, or a range of it. A last line without newline that does not parse is a torn write of a killed process and
 * is skipped; a broken line elsewhere raises `AGEMEM_INPUT_FORMAT` with its number. Blank lines are skipped.
 */
export async function* readJsonl(path: string, range?: ByteRange): AsyncGenerator<JsonLine> {
  const stream = openText(path, range);
  let endsWithNewline = true;
  stream.on("data", (chunk) => {
    endsWithNewline = String(chunk).endsWith("\n");
  });
  const lines = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY });
  let number = 0;
  let pending: { line: number; error: unknown } | undefined;
  try {
    for await (const text of lines) {
      if (pending) throw lineError(path, pending);
      number++;
      if (!text.trim()) continue;
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch (error) {
        pending = { line: number, error };
        continue;
      }
      yield { line: number, value };
    }
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    if (isTornGzip(cause)) return;
    throw fileError(path, cause);
  }
  if (pending && endsWithNewline) throw lineError(path, pending);
}

function openText(path: string, range?: ByteRange): Readable {
  const bytes = createReadStream(path, range ? { start: range.start, end: range.end - 1 } : {});
  if (!path.endsWith(".gz")) return bytes.setEncoding("utf8");
  const text = createGunzip();
  bytes.once("error", (error) => text.destroy(error));
  return bytes.pipe(text).setEncoding("utf8");
}

/** Whether the last member of a gzip file is cut off: like a torn line, the torn write of a killed process. */
function isTornGzip(error: unknown): boolean {
  return (error as NodeJS.ErrnoException)?.code === "Z_BUF_ERROR";
}

/** Appends whole lines and syncs them to disk before it resolves. Open only one per file and process. */
export class JsonlWriter {
  private constructor(private readonly file: FileHandle) {}

  /** Opens a file for appending, creating it if needed. First cuts off a torn last line of an earlier process. */
  static async open(path: string): Promise<JsonlWriter> {
    try {
      await mendTail(path);
      return new JsonlWriter(await open(path, "a"));
    } catch (cause) {
      throw fileError(path, cause, "written");
    }
  }

  /** Writes all values as consecutive lines in one write, then fsyncs unless `sync` is false. */
  async append(values: readonly unknown[], { sync = true } = {}): Promise<void> {
    if (values.length === 0) return;
    // As bytes: all lines as one text would be limited to the longest string there can be.
    await this.file.appendFile(
      Buffer.concat(values.map((value) => Buffer.from(`${JSON.stringify(value)}\n`))),
    );
    if (sync) await this.file.sync();
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}

/** Cuts off what follows the last newline, unless it is a whole record, which gets its newline. */
async function mendTail(path: string): Promise<void> {
  const file = await open(path, "a+");
  try {
    const { size } = await file.stat();
    const start = await endOfLastLine(file, size);
    if (start === size) return;
    const tail = Buffer.alloc(size - start);
    await file.read(tail, 0, tail.length, start);
    if (isJson(tail.toString("utf8"))) await file.appendFile("\n");
    else await file.truncate(start);
  } finally {
    await file.close();
  }
}

/** The position after the last newline, or 0; reads backwards from the end. */
async function endOfLastLine(file: FileHandle, size: number): Promise<number> {
  const step = 65536;
  for (let end = size; end > 0; end = Math.max(0, end - step)) {
    const start = Math.max(0, end - step);
    const { buffer } = await file.read(Buffer.alloc(end - start), 0, end - start, start);
    const last = buffer.lastIndexOf(0x0a);
    if (last !== -1) return start + last + 1;
  }
  return 0;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false; // a torn write is expected here
  }
}

function fileError(path: string, cause: unknown, verb = "read"): InputError {
  return new InputError("AGEMEM_INPUT_FILE", `${path} cannot be ${verb}: ${messageOf(cause)}`, {
    cause,
    remedy: "Check the path and its permissions.",
    details: { path },
  });
}

function lineError(path: string, at: { line: number; error: unknown }): InputError {
  return new InputError("AGEMEM_INPUT_FORMAT", `${path}:${at.line} is not JSON: ${messageOf(at.error)}`, {
    cause: at.error,
    remedy: "Repair or remove the line.",
    details: { path, line: at.line },
  });
}
