import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  readRollouts,
  readTrajectoryFile,
  TrajectoryWriter,
  validateFile,
} from "../../src/trajectory/file.js";
import { step, trajectory } from "./records.js";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agemem-file-"));
  path = join(folder, "run.jsonl");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const lines = (...records: unknown[]) => records.map((r) => `${JSON.stringify(r)}\n`).join("");
async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = [];
  for await (const item of source) out.push(item);
  return out;
}

describe("TrajectoryWriter", () => {
  it("appends rollouts that are read back as they were", async () => {
    const writer = await TrajectoryWriter.open(path);
    const steps = [step(), step({ step_index: 1, context_edit: "append", extends_previous: true })];
    await writer.appendRollout({ trajectory: trajectory({ n_steps: 2 }), steps });
    await writer.close();
    const again = await TrajectoryWriter.open(path);
    await again.appendRollout({
      trajectory: trajectory({ rollout_id: "r2" }),
      steps: [step({ rollout_id: "r2" })],
    });
    await again.close();
    expect(await all(readTrajectoryFile(path))).toHaveLength(5);
    const rollouts = await all(readRollouts(path));
    expect(rollouts.map((r) => [r.trajectory.rollout_id, r.steps.length])).toEqual([
      ["r1", 2],
      ["r2", 1],
    ]);
    expect(rollouts[0]?.steps).toEqual(steps);
  });

  it("writes nothing of a batch with an invalid record", async () => {
    const writer = await TrajectoryWriter.open(path);
    await expect(writer.append([step(), step({ response_mask: [1] })])).rejects.toMatchObject({
      code: "AGEMEM_TRAJECTORY_INVALID",
      details: { field: "response_mask" },
    });
    await writer.close();
    expect(await readFile(path, "utf8")).toBe("");
  });

  it("cuts the torn line of a killed process off and goes on", async () => {
    await writeFile(path, lines(step(), trajectory()));
    await appendFile(path, '{"kind":"step","schem');
    const writer = await TrajectoryWriter.open(path);
    await writer.append([step({ rollout_id: "r2" })]);
    await writer.close();
    expect((await all(readTrajectoryFile(path))).map((r) => r.rollout_id)).toEqual(["r1", "r1", "r2"]);
  });
});

describe("readTrajectoryFile", () => {
  it("names line and field of an invalid record", async () => {
    await writeFile(path, lines(step(), { ...step(), stage: 9 }));
    await expect(all(readTrajectoryFile(path))).rejects.toMatchObject({
      code: "AGEMEM_TRAJECTORY_INVALID",
      message: expect.stringContaining(`${path}:2, field stage`),
    });
  });

  it("refuses another schema version by its own code", async () => {
    await writeFile(path, lines({ ...step(), schema: "agemem.trajectory/3" }));
    await expect(all(readTrajectoryFile(path))).rejects.toMatchObject({ code: "AGEMEM_TRAJECTORY_VERSION" });
  });

  it("says that a file is missing", async () => {
    await expect(all(readTrajectoryFile(path))).rejects.toMatchObject({ code: "AGEMEM_INPUT_FILE" });
  });
});

describe("readRollouts", () => {
  it("joins interleaved rollouts and attempts, and leaves unfinished ones out", async () => {
    const late = step({ attempt: 2, run_id: "second" });
    await writeFile(
      path,
      lines(
        step(),
        step({ rollout_id: "cut off" }),
        late,
        step({ rollout_id: "r2" }),
        trajectory({ rollout_id: "r2" }),
        trajectory({ attempt: 1, status: "timeout" }),
        trajectory({ attempt: 2 }),
      ),
    );
    const rollouts = await all(readRollouts(path));
    expect(
      rollouts.map((r) => [r.trajectory.rollout_id, r.trajectory.attempt, r.steps.map((s) => s.run_id)]),
    ).toEqual([
      ["r2", 1, ["run-a"]],
      ["r1", 1, ["run-a"]],
      ["r1", 2, ["second"]],
    ]);
  });
});

describe("validateFile", () => {
  it("counts what is there", async () => {
    await writeFile(
      path,
      lines(step(), trajectory(), step({ rollout_id: "r2" }), step({ rollout_id: "r3" }), {
        ...trajectory({ rollout_id: "r3", status: "error", error: { code: null, message: "x" } }),
      }),
    );
    expect(await validateFile(path)).toEqual({
      steps: 3,
      trajectories: 2,
      trainable: 3,
      unfinished: 1,
      byStatus: { ok: 1, error: 1 },
      problems: [],
    });
  });

  it("finds what only shows across lines", async () => {
    await writeFile(
      path,
      lines(
        step(),
        step(),
        trajectory({ n_steps: 2 }),
        trajectory({ n_steps: 2 }),
        step({ rollout_id: "gap", step_index: 0 }),
        step({ rollout_id: "gap", step_index: 2 }),
        trajectory({ rollout_id: "gap", n_steps: 2 }),
      ),
    );
    const { problems } = await validateFile(path);
    expect(problems.map((p) => [p.line, p.message.replace(/^rollout \S+, attempt 1: /, "")])).toEqual([
      [2, "step 0 occurs twice"],
      [3, "n_steps is 2; steps found: 1"],
      [4, "has a record after its trajectory record"],
      [4, "n_steps is 2; steps found: 0"],
      [7, "step indexes are not 0 to 1"],
    ]);
  });

  it("goes on after an invalid line and stops at one that is no JSON", async () => {
    await writeFile(path, `${lines({ kind: "step" }, step())}not json\n${lines(trajectory())}`);
    const report = await validateFile(path);
    expect(report.problems.map((p) => [p.line, p.code])).toEqual([
      [1, "AGEMEM_TRAJECTORY_INVALID"],
      [3, "AGEMEM_INPUT_FORMAT"],
    ]);
    expect(report.steps).toBe(1);
  });
});
