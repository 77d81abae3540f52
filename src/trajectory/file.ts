/**
 * Trajectory files: append-only JSON Lines of `step` and `trajectory` records. Reads packed, compressed and
 * multi-part recordings too (`recording/`).
 *
 * Owns reading with validation, writing whole rollouts, and checking a whole file. A rollout is appended in one write
 * (its steps, then its trajectory record) and synced. A crash can leave only the beginning of a rollout, which readers
 * skip because its trajectory record is missing.
 */
import { InputError } from "../errors.js";
import { type ByteRange, JsonlWriter, readJsonl } from "../lib/jsonl.js";
import { PACKED_SCHEMA, Unpacker } from "./recording/packing.js";
import { recordingParts } from "./recording/parts.js";
import {
  type AnyRecord,
  recordSchema,
  type StepRecord,
  stepSchema,
  TRAJECTORY_SCHEMA,
  type TrajectoryRecord,
  trajectorySchema,
} from "./schema.js";

/** A rollout: its trajectory record, and its steps in order. */
export interface Rollout {
  trajectory: TrajectoryRecord;
  steps: StepRecord[];
}

/**
 * Checks one parsed line.
 *
 * @param where shown in the error, such as "run.jsonl:7"
 * @throws InputError `AGEMEM_TRAJECTORY_VERSION` for another schema version, `AGEMEM_TRAJECTORY_INVALID` with field
 */
export function parseRecord(value: unknown, where: string): AnyRecord {
  const fields = typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  const { schema } = fields;
  if (typeof schema === "string" && schema.startsWith("agemem.") && schema !== TRAJECTORY_SCHEMA) {
    throw new InputError("AGEMEM_TRAJECTORY_VERSION", `${where} has schema ${schema}`, {
      remedy: `This release reads ${TRAJECTORY_SCHEMA} and ${PACKED_SCHEMA}; use the release that wrote the file.`,
      details: { where, schema },
    });
  }
  // Choose the schema by kind: an error of the union would not name the field.
  const kind =
    fields.kind === "step" ? stepSchema : fields.kind === "trajectory" ? trajectorySchema : recordSchema;
  const parsed = kind.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.join(".") || "(the record itself)";
  throw new InputError(
    "AGEMEM_TRAJECTORY_INVALID",
    `${where}, field ${field}: ${issue?.message ?? "invalid"}`,
    {
      remedy: "Repair or remove the line.",
      details: { where, field, problems: parsed.error.issues.length },
    },
  );
}

/**
 * Streams the validated records of a file or of a folder of parts. Packed records are unpacked.
 *
 * @throws InputError `AGEMEM_INPUT_FILE`, `AGEMEM_INPUT_FORMAT` (a line is not JSON), `AGEMEM_TRAJECTORY_VERSION`,
 * `AGEMEM_TRAJECTORY_INVALID`; the last two name line and field
 * @example
 * for await (const record of readTrajectoryFile("run.jsonl")) if (record.kind === "trajectory") count++;
 */
export async function* readTrajectoryFile(path: string): AsyncGenerator<AnyRecord> {
  const unpacker = new Unpacker();
  for (const part of recordingParts(path)) yield* readPart(part, unpacker);
}

async function* readPart(part: string, unpacker: Unpacker, range?: ByteRange): AsyncGenerator<AnyRecord> {
  for await (const { line, value } of readJsonl(part, range)) {
    const where = `${part}:${line}`;
    yield parseRecord(unpacker.unpack(value, where), where);
  }
}

/**
 * Streams rollouts: each trajectory record with the preceding steps of its rollout and attempt. Only the rollouts in
 * progress are held in memory. Steps without a trajectory record (a rollout that was cut off) are left out.
 *
 * @throws as {@link readTrajectoryFile}
 */
export async function* readRollouts(path: string): AsyncGenerator<Rollout> {
  yield* rolloutsOf(readTrajectoryFile(path));
}

/** As {@link readRollouts}, of a range of one file that holds whole groups. */
export async function* readRolloutsIn(file: string, range: ByteRange): AsyncGenerator<Rollout> {
  yield* rolloutsOf(readPart(file, new Unpacker(), range));
}

async function* rolloutsOf(records: AsyncIterable<AnyRecord>): AsyncGenerator<Rollout> {
  const open = new Map<string, StepRecord[]>();
  for await (const record of records) {
    const key = rolloutKey(record);
    if (record.kind === "step") {
      const steps = open.get(key);
      if (steps) steps.push(record);
      else open.set(key, [record]);
      continue;
    }
    const steps = open.get(key) ?? [];
    open.delete(key);
    yield { trajectory: record, steps: steps.sort((a, b) => a.step_index - b.step_index) };
  }
}

/** Appends validated records. A file may have only one writer at a time. */
export class TrajectoryWriter {
  private constructor(
    readonly path: string,
    private readonly lines: JsonlWriter,
  ) {}

  /** Opens the file for appending, or creates it. @throws InputError `AGEMEM_INPUT_FILE` */
  static async open(path: string): Promise<TrajectoryWriter> {
    return new TrajectoryWriter(path, await JsonlWriter.open(path));
  }

  /**
   * Appends records in one write and syncs, unless `sync` is false. If any record is invalid, nothing is written.
   *
   * @throws InputError `AGEMEM_TRAJECTORY_INVALID`
   */
  async append(records: readonly AnyRecord[], options: { sync?: boolean } = {}): Promise<void> {
    const checked = records.map((record, i) => parseRecord(record, `record ${i} for ${this.path}`));
    await this.lines.append(checked, options);
  }

  /** Appends one rollout: its steps, then its trajectory record. */
  async appendRollout({ trajectory, steps }: Rollout): Promise<void> {
    await this.append([...steps, trajectory]);
  }

  async close(): Promise<void> {
    await this.lines.close();
  }
}

/** A problem in a trajectory file. */
interface FileProblem {
  /** Counted from 1; null for a problem of the whole file. */
  line: number | null;
  code: "AGEMEM_TRAJECTORY_INVALID" | "AGEMEM_TRAJECTORY_VERSION" | "AGEMEM_INPUT_FORMAT";
  message: string;
}

/** What {@link validateFile} found. */
export interface FileReport {
  steps: number;
  trajectories: number;
  /** Steps marked as trainable: completed policy calls with token ids. */
  trainable: number;
  /** Rollouts with steps but no trajectory record: cut off, or still running. */
  unfinished: number;
  byStatus: Record<string, number>;
  problems: FileProblem[];
}

/**
 * Checks every line, and what shows only across lines: gaps in step indexes, `n_steps`, rollouts written twice.
 *
 * Returns the problems; throws only when the file cannot be read.
 *
 * @throws InputError `AGEMEM_INPUT_FILE`
 */
export async function validateFile(path: string): Promise<FileReport> {
  const report: FileReport = {
    steps: 0,
    trajectories: 0,
    trainable: 0,
    unfinished: 0,
    byStatus: {},
    problems: [],
  };
  const across = { report, open: new Map<string, Set<number>>(), closed: new Set<string>() };
  const unpacker = new Unpacker();
  for (const part of recordingParts(path)) await validatePart(part, unpacker, across);
  report.unfinished = across.open.size;
  return report;
}

async function validatePart(part: string, unpacker: Unpacker, across: Omit<Progress, "line">): Promise<void> {
  const { problems } = across.report;
  try {
    for await (const { line, value } of readJsonl(part)) {
      try {
        const where = `${part}:${line}`;
        checkAcross(parseRecord(unpacker.unpack(value, where), where), { ...across, line });
      } catch (error) {
        problems.push(toProblem(error, line));
      }
    }
  } catch (error) {
    if (error instanceof InputError && error.code === "AGEMEM_INPUT_FILE") throw error;
    const line = error instanceof InputError ? error.details.line : null;
    problems.push(toProblem(error, typeof line === "number" ? line : null));
  }
}

interface Progress {
  report: FileReport;
  /** Step indexes seen so far, per rollout and attempt whose trajectory record has not come yet. */
  open: Map<string, Set<number>>;
  closed: Set<string>;
  line: number;
}

function checkAcross(record: AnyRecord, { report, open, closed, line }: Progress): void {
  const key = rolloutKey(record);
  const problem = (message: string): void => {
    const name = `rollout ${record.rollout_id}, attempt ${record.attempt}`;
    report.problems.push({ line, code: "AGEMEM_TRAJECTORY_INVALID", message: `${name}: ${message}` });
  };
  if (closed.has(key)) problem("has a record after its trajectory record");
  if (record.kind === "step") {
    report.steps++;
    if (record.trainable) report.trainable++;
    const seen = open.get(key) ?? new Set();
    if (seen.has(record.step_index)) problem(`step ${record.step_index} occurs twice`);
    if (!closed.has(key)) open.set(key, seen.add(record.step_index));
    return;
  }
  report.trajectories++;
  report.byStatus[record.status] = (report.byStatus[record.status] ?? 0) + 1;
  const seen = open.get(key) ?? new Set();
  open.delete(key);
  closed.add(key);
  if (seen.size !== record.n_steps) problem(`n_steps is ${record.n_steps}; steps found: ${seen.size}`);
  const gap = Array.from(seen).some((_, i) => !seen.has(i));
  if (gap) problem(`step indexes are not 0 to ${seen.size - 1}`);
}

function rolloutKey(record: AnyRecord): string {
  return JSON.stringify([record.rollout_id, record.attempt]);
}

function toProblem(error: unknown, line: number | null): FileProblem {
  if (!(error instanceof InputError)) throw error;
  return { line, code: error.code as FileProblem["code"], message: error.message };
}
