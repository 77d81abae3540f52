/**
 * The results file of an evaluation: one writer, one set of settings, every episode once.
 *
 * Owns what makes a killed run resumable: a line is on disk before its episode counts as done, and a torn last line is
 * cut off. `FILE.lock` keeps a second process out. It names the writing process, so the lock of a killed one is
 * ignored.
 */
import { existsSync } from "node:fs";
import { open, readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { isDeepStrictEqual } from "node:util";
import pLimit from "p-limit";
import { InputError } from "../../errors.js";
import { ensureDirectory } from "../../lib/directory.js";
import { JsonlWriter, readJsonl } from "../../lib/jsonl.js";
import {
  EVALUATION_SCHEMA,
  type EvaluationEpisode,
  type EvaluationRecord,
  episodeKey,
  evaluationLine,
} from "./record.js";

type Settings = Record<string, unknown>;

/** A results file that is being written. */
export class ResultsFile {
  private readonly serial = pLimit(1);

  private constructor(
    private readonly path: string,
    private readonly writer: JsonlWriter,
    /** The episodes in the file by their keys, in its order. */
    readonly done: Map<string, EvaluationEpisode>,
  ) {}

  /**
   * Opens or creates the file.
   *
   * @throws InputError `AGEMEM_INPUT_FILE` if another process is writing it, or it cannot be written;
   * `AGEMEM_INPUT_FORMAT` for lines of another kind; `AGEMEM_INPUT_ARGUMENT` if the settings differ from the file's
   */
  static async open(path: string, settings: Settings): Promise<ResultsFile> {
    ensureDirectory(dirname(path));
    await lock(path);
    try {
      const before = existsSync(path) ? await readEvaluation(path) : [];
      const plain = JSON.parse(JSON.stringify(settings)) as Settings;
      const [first] = before;
      if (first) refuseOther(path, first.type === "settings" ? first.settings : {}, plain);
      const writer = await JsonlWriter.open(path);
      if (!first) await writer.append([{ schema: EVALUATION_SCHEMA, type: "settings", settings: plain }]);
      const episodes = before.filter((line): line is EvaluationEpisode => line.type === "episode");
      return new ResultsFile(
        path,
        writer,
        new Map(episodes.map((episode) => [episodeKey(episode), episode])),
      );
    } catch (error) {
      await rm(lockFile(path), { force: true });
      throw error;
    }
  }

  /** Writes a line. An episode is done when the promise resolves. */
  async append(record: EvaluationRecord): Promise<void> {
    await this.serial(() => this.writer.append([evaluationLine.parse(record)]));
    if (record.type === "episode") this.done.set(episodeKey(record), record);
  }

  async close(): Promise<void> {
    await this.serial(() => this.writer.close());
    await rm(lockFile(this.path), { force: true });
  }
}

/** All lines of a file. Errors: `AGEMEM_INPUT_FILE`, `AGEMEM_INPUT_FORMAT` with the line. */
export async function readEvaluation(path: string): Promise<EvaluationRecord[]> {
  const records: EvaluationRecord[] = [];
  for await (const { line, value } of readJsonl(path)) {
    const parsed = evaluationLine.safeParse(value);
    if (!parsed.success) {
      throw new InputError("AGEMEM_INPUT_FORMAT", `${path}:${line} is not a line of an evaluation`, {
        remedy: "Give a file that agemem evaluate wrote, or another name.",
        details: { path, line },
      });
    }
    records.push(parsed.data);
  }
  return records;
}

function refuseOther(path: string, before: Settings, now: Settings): void {
  const names = [...new Set([...Object.keys(before), ...Object.keys(now)])];
  const differing = names.filter((name) => !isDeepStrictEqual(before[name], now[name]));
  if (differing.length === 0) return;
  const show = (value: unknown): string => (value === undefined ? "none" : JSON.stringify(value));
  const difference = differing.map((name) => `${name}: ${show(before[name])} there, ${show(now[name])} now`);
  throw new InputError("AGEMEM_INPUT_ARGUMENT", `${path} has other settings: ${difference.join("; ")}`, {
    remedy: "Give the same settings to continue the file, or give another file.",
    details: { path, differing },
  });
}

function lockFile(path: string): string {
  return `${path}.lock`;
}

async function lock(path: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      const file = await open(lockFile(path), "wx");
      await file.writeFile(String(process.pid));
      await file.close();
      return;
    } catch (cause) {
      const taken = (cause as NodeJS.ErrnoException).code === "EEXIST";
      const owner = taken ? Number(await readFile(lockFile(path), "utf8").catch(() => "")) : 0;
      if (taken && attempt === 0 && !isRunning(owner)) {
        await rm(lockFile(path), { force: true });
        continue;
      }
      throw new InputError(
        "AGEMEM_INPUT_FILE",
        taken
          ? `${path} is being written by process ${owner}`
          : `${path} cannot be written: ${String(cause)}`,
        { cause, remedy: "Wait for that process, or give another file.", details: { path, owner } },
      );
    }
  }
}

/** Whether a process runs. A lock without a number belongs to a process that was killed while taking it. */
function isRunning(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
