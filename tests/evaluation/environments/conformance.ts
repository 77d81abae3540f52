/** What every environment must do; run on the PDDL engine, on the client against a server, and on the installed servers. */
import { describe, expect, it } from "vitest";
import type {
  EnvironmentTask,
  TaskEnvironment,
} from "../../../src/evaluation/environments/task-environment.js";

interface Case {
  /** A new environment; closed by the suite. */
  open: () => Promise<TaskEnvironment>;
  /** Two tasks that an expert solves. */
  tasks: () => Promise<readonly EnvironmentTask[]>;
  /** Milliseconds a test may take. */
  timeoutMs?: number;
}

export function environmentConformance(name: string, { open, tasks, timeoutMs = 5000 }: Case): void {
  const play = (
    title: string,
    check: (environment: TaskEnvironment, tasks: readonly EnvironmentTask[]) => Promise<void>,
  ) =>
    it(
      title,
      async () => {
        const environment = await open();
        try {
          await check(environment, await tasks());
        } finally {
          await environment.close();
          await environment.close();
        }
      },
      timeoutMs,
    );

  describe(`${name} as an environment`, () => {
    play("starts a task unsolved, with something to read and a goal", async (environment, [first]) => {
      const state = await environment.reset(first as EnvironmentTask);
      expect(state.observation.length).toBeGreaterThan(20);
      expect(state.goal.length).toBeGreaterThan(5);
      expect(state).toMatchObject({ won: false, done: false, valid: true });
      expect(state.progress).toBeLessThan(1);
    });

    play("refuses what it does not understand, and nothing changes", async (environment, [first]) => {
      const before = await environment.reset(first as EnvironmentTask);
      const actions = await environment.availableActions();
      const state = await environment.step("sing a song of sixpence");
      expect(state).toMatchObject({ valid: false, won: false, progress: before.progress });
      expect(await environment.availableActions()).toEqual(actions);
      // What it says then may tell how to ask for the actions; to repeat it is not to ask.
      expect(await environment.step(state.observation)).toMatchObject({ valid: false });
    });

    play("is solved by its expert: progress only grows, to 1", async (environment, all) => {
      for (const task of all) {
        let state = await environment.reset(task);
        for (let asked = 0; !state.done && asked < 400; asked++) {
          const actions = (await environment.expert()) ?? [];
          expect(actions, `an expert for ${task.id}`).not.toEqual([]);
          for (const action of actions) {
            const next = await environment.step(action);
            expect(next.progress).toBeGreaterThanOrEqual(state.progress);
            state = next;
            if (state.done) break;
          }
        }
        expect(state, task.id).toMatchObject({ won: true, done: true, progress: 1 });
      }
    });

    play("begins again from the start, the same each time", async (environment, [first]) => {
      const task = first as EnvironmentTask;
      const once = await environment.reset(task);
      const [action] = (await environment.expert()) ?? [];
      await environment.step(action as string);
      expect(await environment.reset(task)).toEqual(once);
    });

    play("takes the steps of one task at a time", async (environment) => {
      await expect(async () => environment.step("look")).rejects.toThrow(TypeError);
    });

    play("refuses a task that it does not have, and goes on", async (environment, [first]) => {
      const task = first as EnvironmentTask;
      const wrong = {
        ...task,
        id: "wrong",
        setup: { domain: "none", problem: "none", task: "none", level: "none", game: "none" },
      };
      await expect(environment.reset(wrong)).rejects.toMatchObject({
        code: expect.stringMatching(/^AGEMEM_INPUT_/),
      });
      expect(await environment.reset(task)).toMatchObject({ done: false });
    });
  });
}
