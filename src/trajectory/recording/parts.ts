/**
 * The files of a recording: one (`run.jsonl`, `run.jsonl.gz`), or the parts in a folder, in their order.
 *
 * Owns names and which form a name means. In a `.gz` each group is a gzip member of its own, so that appending,
 * cutting off and reading on need no more than the file's end. Leaves out what the lines mean (`packing.ts`).
 */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { InputError, messageOf } from "../../errors.js";

/** What a path stands for: whole lines in one file, packed and compressed ones, or a folder of such parts. */
export type RecordingForm = "lines" | "packed" | "folder";

/** `NAME/`, or a folder that is there, is a folder; `NAME.gz` is packed; any other name is lines. */
export function recordingForm(path: string): RecordingForm {
  if (/\.jsonl$/.test(path)) return "lines";
  if (path.endsWith(".gz")) return "packed";
  return path.endsWith("/") || isFolder(path) ? "folder" : "lines";
}

/** Name of a folder's part, counted from 1. */
export function partName(number: number): string {
  return `part-${String(number).padStart(5, "0")}.jsonl.gz`;
}

/** The files of a recording in order; a folder without parts has none. @throws InputError `AGEMEM_INPUT_FILE` */
export function recordingParts(path: string): string[] {
  if (recordingForm(path) !== "folder") return [path];
  try {
    return readdirSync(path)
      .filter((name) => /^part-\d+\.jsonl\.gz$/.test(name))
      .sort()
      .map((name) => join(path, name));
  } catch (cause) {
    throw new InputError("AGEMEM_INPUT_FILE", `${path} cannot be read: ${messageOf(cause)}`, {
      cause,
      remedy: "Check the path and its permissions.",
      details: { path },
    });
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
