/**
 * Appends complete groups to a recording: as plain lines, or packed and compressed, in one file or a folder of parts.
 *
 * Owns the bytes: one sync and, if packed, one gzip member per group; a new part when the last one is full.
 */
import { existsSync } from "node:fs";
import { open, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { parseRecord } from "../../trajectory/file.js";
import { packRollout } from "../../trajectory/recording/packing.js";
import { partName, recordingForm, recordingParts } from "../../trajectory/recording/parts.js";
import type { GroupResult } from "../group.js";
import type { IndexedEnd } from "./index-file.js";

/** Size in bytes at which a part is full, so that the next group starts a new one. */
export const PART_BYTES = 256 * 1024 * 1024;

const compress = promisify(gzip);

/** Where a recording ends now; null when there is no file or no part yet. */
export async function recordingEnd(path: string): Promise<IndexedEnd | null> {
  const part = recordingParts(path).at(-1);
  if (part === undefined || !existsSync(part)) return null;
  return { part: nameIn(path, part), bytes: (await stat(part)).size };
}

/** Truncates the file or part at an end. */
export async function cutAfter(path: string, { part, bytes }: IndexedEnd): Promise<void> {
  await truncate(fileOf(path, part), bytes);
}

/** Appends a group and syncs. @returns the new end */
export async function appendGroup(
  path: string,
  group: Pick<GroupResult, "rollouts">,
  partBytes: number,
): Promise<IndexedEnd> {
  const { file, part } = await nextPart(path, partBytes);
  const handle = await open(file, "a");
  try {
    for (const bytes of await encoded(path, group)) await handle.appendFile(bytes);
    await handle.sync();
    return { part, bytes: (await handle.stat()).size };
  } finally {
    await handle.close();
  }
}

async function encoded(path: string, { rollouts }: Pick<GroupResult, "rollouts">): Promise<Buffer[]> {
  const packed = recordingForm(path) !== "lines";
  const lines: Buffer[] = [];
  for (const { steps, trajectory } of rollouts) {
    const records = [...steps, trajectory].map((record, i) => parseRecord(record, `record ${i} for ${path}`));
    for (const each of packed ? packRollout(records) : records) {
      lines.push(Buffer.from(`${JSON.stringify(each)}\n`));
    }
  }
  return packed ? [await compress(Buffer.concat(lines))] : lines;
}

/** The file or part that the next group goes to. */
async function nextPart(path: string, partBytes: number): Promise<{ file: string; part: string }> {
  if (recordingForm(path) !== "folder") return { file: path, part: "" };
  const parts = recordingParts(path);
  const last = await recordingEnd(path);
  const full = last === null || last.bytes >= partBytes;
  const part = partName(parts.length + (full ? 1 : 0));
  return { file: join(path, part), part };
}

function nameIn(path: string, part: string): string {
  return part === path ? "" : part.slice(part.lastIndexOf("/") + 1);
}

function fileOf(path: string, part: string): string {
  return part === "" ? path : join(path, part);
}
