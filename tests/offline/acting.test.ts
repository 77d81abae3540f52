/** The offline policy in a text game that it has never seen: reads what is possible, explores, and learns for the next game. */
import { InMemoryStore } from "@langchain/langgraph";
import { describe, expect, it } from "vitest";
import { agentActor } from "../../src/evaluation/environments/actors/agent.js";
import { playEpisode } from "../../src/evaluation/environments/episode.js";
import type {
  EnvironmentState,
  EnvironmentTask,
  TaskEnvironment,
} from "../../src/evaluation/environments/task-environment.js";
import { rateActions } from "../../src/offline/acting/choose-action.js";
import { lessonOf, lessonsFor } from "../../src/offline/acting/lessons.js";
import { listedActions, type Play } from "../../src/offline/acting/play.js";
import { filled, thingsIn } from "../../src/offline/acting/things.js";
import { OfflinePolicy } from "../../src/offline/policy.js";

const play = (more: Partial<Play>): Play => ({
  task: "put the blue cup on the shelf",
  forms: ["take X", "put X on Y", "look", "check valid actions"],
  start: "You are in a kitchen. You see a blue cup and a red pot.",
  played: [],
  outcome: null,
  maxSteps: 30,
  ...more,
});
const best = (more: Partial<Play>, lessons: Parameters<typeof rateActions>[1] = []) =>
  rateActions(play(more), lessons)[0]?.action;
const asked = {
  action: "check valid actions",
  observation: "You can take the following actions: take blue cup, take red pot, look.",
  refused: false,
};

describe("reading", () => {
  it.each([
    ["You can take the following actions: go left, take cup 1.", ["go left", "take cup 1"]],
    ["Valid actions are: Pick up a. Move from x to y.", ["Pick up a", "Move from x to y"]],
    ["You see a cup. There are no actions", []],
  ])("lists of actions in %j", (text, actions) => {
    expect(listedActions(text)).toEqual(actions);
  });

  it("names of things, with their numbers", () => {
    const text =
      "There is a grey key 1 right in front of you. On the countertop 2, you see a glass jar (containing nothing), and a door to the hallway.";
    expect(thingsIn(text)).toEqual(["grey key 1", "countertop 2", "glass jar", "door", "hallway"]);
    expect(filled("move OBJ to OBJ", { first: ["a"], others: ["a", "b"], limit: 9 })).toEqual([
      "move a to b",
    ]);
  });
});

describe("the choice", () => {
  it("is to ask what is possible, then what has to do with the task", () => {
    expect(best({})).toBe("check valid actions");
    expect(best({ played: [asked] })).toBe("take blue cup");
  });

  it("is to ask too where the first observation names forms of actions, and once if the answer does", () => {
    const start = "Actions, with names for X: Take X. Put X on X.\nYou see a blue cup and a red pot.";
    expect(best({ start })).toBe("check valid actions");
    const forms = { ...asked, observation: "You can take the following actions: take OBJ, look." };
    const later = Array.from({ length: 12 }, (_, i) => ({
      action: `take pot ${i}`,
      observation: "Nothing happens.",
      refused: true,
    }));
    const rated = rateActions(play({ start, played: [forms, ...later] }), []);
    expect(rated.map(({ action }) => action)).not.toContain("check valid actions");
  });

  it("is not what was just refused, nor what led nowhere", () => {
    const refused = { action: "take blue cup", observation: "Nothing happens.", refused: true };
    expect(best({ played: [asked, refused] })).not.toBe("take blue cup");
  });

  it("follows the lesson of a task like this one", () => {
    const lesson = {
      id: "m1",
      task: "put the red pot on the shelf",
      solved: true,
      actions: ["open cupboard 2", "take red pot"],
    };
    const forms = ["take X", "open X"];
    expect(best({ forms }, [lesson])).toBe("open cupboard 2");
    const opened = { action: "open cupboard 2", observation: "The cupboard is open.", refused: false };
    expect(best({ forms, played: [opened] }, [lesson])).toBe("take red pot");
    // What is listed comes first: a step that is not listed is not possible now.
    expect(best({ played: [asked] }, [lesson])).toBe("take blue cup");
    const listed = { ...asked, observation: `${asked.observation.slice(0, -1)}, open cupboard 3.` };
    expect(best({ played: [listed] }, [lesson])).toBe("open cupboard 3");
  });
});

it("a lesson is read as it was written, and only for tasks like its own", () => {
  const solved = play({
    outcome: "solved",
    played: [asked, { action: "take blue cup", observation: "Taken.", refused: false }],
  });
  const content = lessonOf(solved) ?? "";
  expect(content).toBe('Lesson for the task "put the blue cup on the shelf": solved by: take blue cup');
  const memories = [{ id: "m1", content }];
  expect(lessonsFor("put the green cup on the shelf", memories)).toMatchObject([
    { id: "m1", solved: true, actions: ["take blue cup"] },
  ]);
  expect(lessonsFor("boil water", memories)).toEqual([]);
  const idle = { maxSteps: 1, outcome: "not solved" } as const;
  expect(lessonOf(play({ ...idle, played: [asked] }))).toBeNull();
});

it("what was refused, and what ended a game before its time, is avoided later", () => {
  const played = [
    asked,
    { action: "take red pot", observation: "Nothing happens.", refused: true },
    { action: "look", observation: "A kitchen.", refused: false },
    { action: "take blue cup", observation: "It breaks.", refused: false },
  ];
  const lost = play({ outcome: "not solved", played });
  const content = lessonOf(lost) ?? "";
  expect(content).toMatch(/: not solved; avoid: take red pot; take blue cup$/);
  expect(lessonOf({ ...lost, maxSteps: 4 })).toMatch(/: not solved; avoid: take red pot$/);
  const lessons = lessonsFor(lost.task, [{ id: "m1", content }]);
  const ratedBy = (given: typeof lessons) =>
    rateActions(play({ played: [asked] }), given).find(({ action }) => action === "take blue cup")?.score ??
    0;
  expect(ratedBy(lessons)).toBeLessThan(ratedBy([]));
});

/** Of twelve boxes one has the coin; only a list that is asked for names them. */
class Boxes implements TaskEnvironment {
  readonly name = "babyai";
  #won = false;
  #tell(observation: string, valid = true): EnvironmentState {
    return {
      observation,
      goal: "find the coin",
      progress: Number(this.#won),
      won: this.#won,
      done: this.#won,
      valid,
    };
  }
  reset = async () => {
    this.#won = false;
    return this.#tell("You are in a store room.");
  };
  step = async (action: string) => {
    if (action === "check available actions") {
      return this.#tell(`You can take the following actions: ${(await this.availableActions()).join(", ")}`);
    }
    const box = /^lift lid (\d+)$/.exec(action)?.[1];
    if (box === undefined) return this.#tell("The action is not recognized.", false);
    this.#won = box === "9";
    return this.#tell(this.#won ? "You found it." : `Box ${box} is empty.`);
  };
  availableActions = async () => Array.from({ length: 12 }, (_, i) => `lift lid ${i + 1}`);
  expert = async () => ["lift lid 9"];
  close = async () => undefined;
}

it("finds by trying what it is told it can do, and with the lesson it stored at once", async () => {
  const store = new InMemoryStore();
  const task: EnvironmentTask = { id: "t", environment: "babyai", goal: null, difficulty: null, setup: {} };
  const once = () => {
    const actor = agentActor({ model: new OfflinePolicy(), store, lessons: true });
    return playEpisode({ environment: new Boxes(), task, actor });
  };
  const first = await once();
  expect(first.success).toBe(true);
  expect(first.steps.length).toBeGreaterThan(8);
  const second = await once();
  expect(second).toMatchObject({ success: true, cost: { recalled: { memories: 1 } } });
  const actions = second.steps.map(({ action }) => action);
  expect(actions.indexOf("lift lid 9")).toBeLessThanOrEqual(1 + first.steps.length);
  expect(second.steps.length).toBeLessThanOrEqual(first.steps.length);
});
