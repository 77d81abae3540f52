/** Shares of a run, rolled out by processes of their own, merged into the recording of one run. */
import { copyFile, mkdtemp, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mergeRecordings } from "../../../src/rollout/recording/merge.js";
import { readRollouts, validateFile } from "../../../src/trajectory/file.js";
import { run as runCli } from "../../cli/program.js";

let folder: string;
const share = (i: number) => join(folder, `${i}.jsonl.gz`);
const shares = [1, 2, 3, 4].map((i) => () => share(i));
const all = () => shares.map((path) => path());

const command = (out: string, ...more: string[]) => [
  ...["rollout", "synthetic:6:0.2", "--k", "2", "--seed", "9", "--model", "offline", "--out", out],
  ...more,
];

/** Everything but what no two runs share: times, ids of runs, calls and messages, and the store's revision numbers. */
async function contents(path: string): Promise<Map<string, unknown>> {
  const found = new Map<string, unknown>();
  const volatile =
    /^(ts|latency_ms|run_id|root_run_id|response_id|id|tool_call_id|.*revision.*|branch|langgraph)$/;
  const bare = (value: unknown): unknown =>
    JSON.parse(JSON.stringify(value, (key, each) => (volatile.test(key) ? undefined : each)));
  for await (const rollout of readRollouts(path)) found.set(rollout.trajectory.rollout_id, bare(rollout));
  return found;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "agemem-merge-"));
  const runs = [1, 2, 3, 4].map((i) => runCli(command(share(i), "--shard", `${i}/4`)));
  runs.push(runCli(command(join(folder, "whole.jsonl"))));
  for (const { code, stderr } of await Promise.all(runs)) expect(stderr, stderr).toSatisfy(() => code === 0);
}, 300_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("four shares from four processes", () => {
  it.each(["merged.jsonl", "merged.jsonl.gz", "merged/"])(
    "equal one run, record for record: %s",
    async (name) => {
      const out = join(folder, name);
      const report = await mergeRecordings(all().reverse(), out);
      expect(report).toEqual({ parts: 4, groups: 6, rollouts: 12 });
      const [merged, whole] = [await contents(out), await contents(join(folder, "whole.jsonl"))];
      expect([...merged.keys()].sort()).toEqual([...whole.keys()].sort());
      for (const [id, rollout] of whole) expect(merged.get(id)).toEqual(rollout);
      expect(await validateFile(out)).toMatchObject({ trajectories: 12, unfinished: 0, problems: [] });
      // Merged again nothing changes, and the run itself finds nothing to do.
      expect(await mergeRecordings(all(), out)).toEqual(report);
      expect((await contents(out)).size).toBe(12);
    },
  );

  it("are merged by the command, after which the run's own command has nothing to do", async () => {
    const out = join(folder, "cli.jsonl");
    const merged = await runCli(["merge", ...all(), "--out", out]);
    expect([merged.code, merged.stdout]).toEqual([0, `${out}: 12 rollouts in 6 groups of 4 shares\n`]);
    const before = [...(await contents(out)).keys()];
    const again = await runCli(command(out));
    expect([again.code, again.stdout]).toEqual([0, expect.stringMatching(/12 rollouts, 0 failed/)]);
    expect([...(await contents(out)).keys()]).toEqual(before);
  }, 120_000);
});

describe("what is not merged", () => {
  const refused = (paths: string[], message: RegExp, code = "AGEMEM_RECORDING_SHARES") =>
    expect(mergeRecordings(paths, join(folder, "no.jsonl"))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
      remedy: expect.stringMatching(/\.$/),
    });
  const copy = async (from: string, name: string) => {
    const to = join(folder, name);
    for (const end of ["", ".index"]) await copyFile(`${from}${end}`, `${to}${end}`);
    return to;
  };

  it("a missing share, and one that is there twice", async () => {
    await refused(all().slice(0, 3), /Share 4\/4 is missing/);
    await refused(
      [...all(), await copy(share(2), "two.jsonl.gz")],
      /2\.jsonl\.gz and .*two\.jsonl\.gz are both share 2\/4/,
    );
    await refused([...all(), share(1)], /named twice/, "AGEMEM_INPUT_ARGUMENT");
    await refused([share(1), join(folder, "whole.jsonl")], /one of 4 shares, .* one of 1/);
  });

  it("a share that was cut off, in its bytes or in its groups, or lacks its index", async () => {
    const cut = await copy(share(1), "cut.jsonl.gz");
    await truncate(cut, 1000);
    await refused([cut, ...all().slice(1)], /does not end where its index says/);
    const bare = join(folder, "bare.jsonl.gz");
    await copyFile(share(1), bare);
    await refused([bare, ...all().slice(1)], /bare\.jsonl\.gz has no index/);
    const { RecordingIndex } = await import("../../../src/rollout/recording/index-file.js");
    const part = await copy(share(1), "part.jsonl.gz");
    const index = await RecordingIndex.open(part);
    const [known] = index.shares();
    index.plan(known!.run, { ...known!, groups: [...known!.groups, "gmore"] });
    index.close();
    await refused([part, ...all().slice(1)], /part\.jsonl\.gz has 2 of its 3 groups/);
  });

  it("a share of other settings, with the difference, and one that is being written", async () => {
    const other = join(folder, "other.jsonl.gz");
    const { code } = await runCli(command(other, "--shard", "4/4", "--t-max", "4000"));
    expect(code).toBe(0);
    await refused([...all().slice(0, 3), other], /t_max 8192, now 4000/, "AGEMEM_RECORDING_SETTINGS");
    const { RecordingIndex } = await import("../../../src/rollout/recording/index-file.js");
    const index = await RecordingIndex.open(share(4));
    await refused(all(), /being written/, "AGEMEM_RECORDING_LOCKED");
    index.close();
  }, 120_000);
});
