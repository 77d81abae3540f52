/** The installed environments, by `npm run test:environments`: conformance, failure of a server, recycling. */
import { describe, expect, it } from "vitest";
import { nullActor } from "../../../../src/evaluation/environments/actors/scripted.js";
import { playEpisode } from "../../../../src/evaluation/environments/episode.js";
import { LocalEnvironment } from "../../../../src/evaluation/environments/local-server.js";
import type { EnvironmentTask } from "../../../../src/evaluation/environments/task-environment.js";
import { environmentData, environmentTasks } from "../../../support/environment-data.js";
import { environmentConformance } from "../conformance.js";

const home = process.env.AGEMEM_TEST_ENVIRONMENTS;
const ready = home !== undefined && environmentData() !== undefined;
if (home !== undefined && !ready)
  console.warn("AGEMEM_TEST_DATA names no lists: environments of lists not played");

const open = (name: "alfworld" | "scienceworld" | "babyai", more = {}) =>
  new LocalEnvironment({ name, ...(home ? { home } : {}), ...more });

describe.runIf(ready)("installed environments", () => {
  for (const name of ["alfworld", "scienceworld", "babyai"] as const) {
    environmentConformance(name, {
      open: async () => open(name),
      tasks: async () => (await environmentTasks(name)).slice(0, 2),
      timeoutMs: 120_000,
    });
  }

  it("a server that is killed fails its episode; the next one gets a new server", {
    timeout: 120_000,
  }, async () => {
    const environment = open("babyai");
    const [task] = (await environmentTasks("babyai")) as [EnvironmentTask];
    const killer = {
      turn: async (view: { act(action: string): Promise<string> }) => {
        process.kill(environment.pid as number, "SIGKILL");
        await view.act("turn left");
        return "go on" as const;
      },
    };
    const result = await playEpisode({ environment, task, actor: killer });
    expect(result).toMatchObject({ ended: "error", error: { code: "AGEMEM_ENVIRONMENT_UNREACHABLE" } });
    const next = await playEpisode({ environment, task, actor: nullActor("turn left"), maxSteps: 3 });
    expect(next).toMatchObject({ ended: "steps", error: null, groundingAccuracy: 1 });
    expect(environment.starts).toBe(2);
    await environment.close();
  });

  it("a server whose memory grew is started anew before the next task", { timeout: 120_000 }, async () => {
    const environment = open("babyai", { maxMemoryMb: 1 });
    for (const task of (await environmentTasks("babyai")).slice(0, 3)) await environment.reset(task);
    expect(environment.starts).toBe(3);
    await environment.close();
  });
});

// Without the data the installation is what is tested: the levels need no list.
it.runIf(home !== undefined)("a level of BabyAI is served without a list", { timeout: 120_000 }, async () => {
  const environment = open("babyai");
  const setup = { level: "BabyAI-GoToRedBallGrey-v0", seed: 1 };
  const state = await environment.reset({
    id: "one",
    environment: "babyai",
    goal: null,
    difficulty: null,
    setup,
  });
  expect(state.goal).toBe("go to the red ball");
  await environment.close();
});
