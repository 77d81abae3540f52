/**
 * AgentBoard's PDDL tasks as an environment in this process, without a server or Python.
 *
 * Owns observations, progress (the largest share of goal facts that held at once) and two questions beside the domain's
 * own actions: "check valid actions" and "look around". After an action, barman and tyreworld report only what became
 * true.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { InputError } from "../../errors.js";
import {
  applyAction,
  type GroundAction,
  type GroundTask,
  groundTask,
  hasEffect,
  type PddlState,
} from "./pddl/ground.js";
import { parseDomain, parseProblem } from "./pddl/parse.js";
import { plan } from "./pddl/planner.js";
import { actionSentence, domainRules, factSentence, readAction } from "./pddl/wording.js";
import type { EnvironmentState, EnvironmentTask, TaskEnvironment } from "./task-environment.js";

/** Domains whose observations report only changes. */
const TELLS_CHANGES: ReadonlySet<string> = new Set(["barman", "tyreworld"]);

const CHECK = "check valid actions";
const LOOK = "look around";

interface Episode {
  task: GroundTask;
  goal: string;
  state: PddlState;
  best: number;
}

/**
 * @param folder with a file and a folder of problems named after each domain; a task's setup is `{ domain, problem }`
 * @example
 * const environment = new PddlEnvironment("pddl");
 * const { observation } = await environment.reset(task);
 * const { progress } = await environment.step("Pick up ball1 at rooma with arm left.");
 */
export class PddlEnvironment implements TaskEnvironment {
  readonly name = "pddl";
  #episode: Episode | undefined;

  constructor(private readonly folder: string) {}

  async reset({ setup, goal, id }: EnvironmentTask): Promise<EnvironmentState> {
    const { domain, problem } = setup;
    if (typeof domain !== "string" || typeof problem !== "string") {
      throw new InputError("AGEMEM_INPUT_FORMAT", `Task ${id} names no domain and problem`, {
        remedy: 'Give the setup { "domain": "gripper", "problem": "prob01.pddl" }.',
        details: { task: id },
      });
    }
    const files = [join(this.folder, `${domain}.pddl`), join(this.folder, domain, problem)];
    const [domainText, problemText] = (await Promise.all(files.map(readPddl))) as [string, string];
    const task = groundTask(parseDomain(domainText), parseProblem(problemText));
    const wanted = task.goal.map((fact) => factSentence(task.domain, task.facts[fact] ?? []));
    const told = goal ?? `The goal is to satisfy the following conditions: ${wanted.join(" ")}`;
    this.#episode = { task, goal: told.trim(), state: task.init, best: 0 };
    const rules = domainRules(task.domain);
    const seen = sentences(task, task.init);
    return this.#tell(`${rules ? `${rules}\n` : ""}${seen}`, true);
  }

  async step(action: string): Promise<EnvironmentState> {
    const episode = this.#current();
    const { task, state } = episode;
    // A question stands at the beginning: an answer that repeats "Say "check valid actions" …" asks nothing.
    const asked = action.trim().toLowerCase();
    if (asked.startsWith("check"))
      return this.#tell(`Valid actions are: ${this.#sentences().join(" ")}`, true);
    if (asked.startsWith(LOOK)) return this.#tell(sentences(task, state), true);
    const ground = findAction(task, state, action);
    if (!ground) {
      const why =
        'The action is not valid and takes no effect. Say "check valid actions" to see those that are.';
      return this.#tell(why, false);
    }
    episode.state = applyAction(state, ground);
    const seen = TELLS_CHANGES.has(task.domain)
      ? sentences(task, episode.state, state)
      : sentences(task, episode.state);
    return this.#tell(seen, true);
  }

  async availableActions(): Promise<readonly string[]> {
    const questions = TELLS_CHANGES.has(this.#current().task.domain) ? [CHECK, LOOK] : [CHECK];
    return [...this.#sentences(), ...questions];
  }

  async expert(): Promise<readonly string[] | undefined> {
    const { task, state } = this.#current();
    return plan(task, { from: state })?.map(({ name, objects }) =>
      actionSentence(task.domain, name, objects),
    );
  }

  async close(): Promise<void> {
    this.#episode = undefined;
  }

  #current(): Episode {
    if (!this.#episode) throw new TypeError("Call reset(task) before anything else");
    return this.#episode;
  }

  #sentences(): string[] {
    const { task, state } = this.#current();
    return task.actions
      .filter((action) => hasEffect(state, action))
      .map(({ name, objects }) => actionSentence(task.domain, name, objects));
  }

  #tell(observation: string, valid: boolean): EnvironmentState {
    const episode = this.#current();
    const { task, state, goal } = episode;
    const met = task.goal.filter((fact) => state[fact] === 1).length;
    episode.best = Math.max(episode.best, met / task.goal.length);
    const won = episode.best === 1;
    const seen = won ? `${observation} The goal is satisfied.` : observation;
    return { observation: seen, goal, progress: episode.best, won, done: won, valid };
  }
}

/** Finds the action of a sentence, which names its objects in the order of the action's parameters. */
function findAction(task: GroundTask, state: PddlState, text: string): GroundAction | undefined {
  const names = new Set(task.actions.map(({ name }) => name));
  const spoken = readAction(text, names, new Set(task.objects));
  if (!spoken) return undefined;
  return task.actions.find(
    (action) =>
      action.name === spoken.name &&
      action.objects.every((object, i) => object === spoken.objects[i]) &&
      hasEffect(state, action),
  );
}

function sentences(task: GroundTask, state: PddlState, before?: PddlState): string {
  return task.facts
    .filter((_, fact) => state[fact] === 1 && before?.[fact] !== 1)
    .map((fact) => factSentence(task.domain, fact))
    .map((sentence) => sentence.charAt(0).toUpperCase() + sentence.slice(1))
    .sort()
    .join(" ");
}

async function readPddl(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new InputError("AGEMEM_INPUT_FILE", `${path} cannot be read`, {
      cause,
      remedy: "Give the folder with the PDDL domains and their problems.",
      details: { path },
    });
  }
}
