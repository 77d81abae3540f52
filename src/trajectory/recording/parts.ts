/**
 * The files of a recording: one file (`run.jsonl`, `run.jsonl.gz`), or the parts in a folder.
 *
 * Owns names, and which form a name means. In a `.gz` file each group is a gzip member of its own, so that groups can
 * be appended and cut off at the end without rewriting the file. Leaves out what the lines mean (`packing.ts`).
 */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { InputError, messageOf } from "../../errors.js";

/** What a path stands for: one file of plain lines, one of packed and compressed lines, or a folder of the latter. */
export type RecordingForm = "lines" | "packed" | "folder";

/** `*.jsonl` is plain lines, `*.gz` is packed; otherwise a trailing slash or an existing folder means a folder. */
export function recordingForm(path: string): RecordingForm {
  if (/\.jsonl$/.test(path)) return "lines";
  if (path.endsWith(".gz")) return "packed";
  return path.endsWith("/") || isFolder(path) ? "folder" : "lines";
}

/** Name of a part in a folder, counted from 1. */
export function partName(number: number): string {
  return `part-${String(number).padStart(5, "0")}.jsonl.gz`;
}

/** The files of a recording, in order; none for an empty folder. @throws InputError `AGEMEM_INPUT_FILE` */
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
