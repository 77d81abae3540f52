import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  expertActor,
  nullActor,
  scriptedActor,
} from "../../../src/evaluation/environments/actors/scripted.js";
import { playEpisode } from "../../../src/evaluation/environments/episode.js";
import { parseDomain } from "../../../src/evaluation/environments/pddl/parse.js";
import { PddlEnvironment } from "../../../src/evaluation/environments/pddl-environment.js";
import type { EnvironmentTask } from "../../../src/evaluation/environments/task-environment.js";
import { agentboardFolder, environmentData, environmentTasks } from "../../support/environment-data.js";
import { environmentConformance } from "./conformance.js";

/** Two towers of one domain with what the parser must bear: comments, types, a constant declared again, no space before "?". */
const DOMAIN = `(define (domain towers) ; a comment
  (:types block place - object)
  (:constants floor - place)
  (:predicates (on ?b - block ?p - object) (clear ?b - block))
  (:action lift :parameters (?b - block?u - block)
    :precondition (and (on ?b ?u) (clear ?b))
    :effect (and (on ?b floor) (clear ?u) (not (on ?b ?u))))
  (:action LAY :parameters (?b ?u - block)
    :precondition (and (on ?b floor) (clear ?b) (clear ?u))
    :effect (and (on ?b ?u) (not (clear ?u)) (not (on ?b floor)))))`;
const problem = (goal: string) => `(define (problem p) (:domain towers)
  (:objects a b c - block floor - place)
  (:init (on a b) (on b floor) (on c floor) (clear a) (clear c))
  (:goal (and ${goal})))`;

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "agemem-pddl-"));
  mkdirSync(join(made, "towers"));
  writeFileSync(join(made, "towers.pddl"), DOMAIN);
  writeFileSync(join(made, "towers", "one.pddl"), problem("(on b c) (on a b)"));
  writeFileSync(join(made, "towers", "two.pddl"), problem("(on c a)"));
  return made;
}
const home = folder();
const task = (name: string): EnvironmentTask => ({
  id: name,
  environment: "pddl",
  goal: null,
  difficulty: null,
  setup: { domain: "towers", problem: `${name}.pddl` },
});

environmentConformance("the PDDL engine", {
  open: async () => new PddlEnvironment(home),
  tasks: async () => [task("one"), task("two")],
});

describe("a PDDL episode", () => {
  it("keeps the best progress when a goal fact is lost again", async () => {
    const environment = new PddlEnvironment(home);
    const actor = scriptedActor(["lift a b", "lay a c", "check valid actions", "lift a b"]);
    const result = await playEpisode({ environment, task: task("one"), actor });
    expect(result.steps.map(({ valid }) => valid)).toEqual([true, true, true, false]);
    expect(result).toMatchObject({
      ended: "stopped",
      progress: 0.5,
      groundingAccuracy: 0.75,
      success: false,
    });
  });

  it("answers a question, and not what repeats its hint to ask one", async () => {
    const environment = new PddlEnvironment(home);
    await environment.reset(task("one"));
    const { observation: hint } = await environment.step("dance");
    expect((await environment.step(hint)).valid).toBe(false);
    expect((await environment.step('You can "look around" here.')).valid).toBe(false);
    for (const asked of ["Check valid actions.", "check_valid_actions", " look around"])
      expect(await environment.step(asked)).toMatchObject({ valid: true, progress: 0.5 });
  });

  it("is lost by who only looks: 30 steps, none understood, the progress of the start", async () => {
    const result = await playEpisode({
      environment: new PddlEnvironment(home),
      task: task("one"),
      actor: nullActor(),
    });
    expect(result).toMatchObject({ ended: "steps", groundingAccuracy: 0, progress: 0.5 });
    expect(result.steps).toHaveLength(30);
  });

  it("refuses what is beyond STRIPS by name", () => {
    const beyond = DOMAIN.replace("(and (on ?b ?u) (clear ?b))", "(forall (?x) (clear ?x))");
    expect(() => parseDomain(beyond)).toThrow(expect.objectContaining({ code: "AGEMEM_INPUT_FORMAT" }));
    expect(() => parseDomain("(define (domain x)")).toThrow(
      expect.objectContaining({ code: "AGEMEM_INPUT_FORMAT" }),
    );
  });
});

describe.runIf(environmentData())("AgentBoard's PDDL list", () => {
  it("has goals in our words, and every one of its 60 tasks is solved by the planner", async () => {
    const environment = new PddlEnvironment(join(agentboardFolder(), "pddl"));
    const tasks = await environmentTasks("pddl");
    const sentences = (goal: string) =>
      goal
        .replace(/^.*conditions: /, "")
        .split(/\.(?: |$)/)
        .filter(Boolean)
        .map((each) => each.trim())
        .sort();
    for (const listed of tasks) {
      const { goal } = await environment.reset({ ...listed, goal: null });
      expect(sentences(goal), listed.id).toEqual(sentences(listed.goal as string));
      const result = await playEpisode({ environment, task: listed, actor: expertActor(), maxSteps: 60 });
      expect(result, listed.id).toMatchObject({ success: true, progress: 1, groundingAccuracy: 1 });
    }
    expect(tasks).toHaveLength(60);
  });
});
