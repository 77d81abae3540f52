/** An environment of two doors for tests of who plays: "open" twice leaves, "break" is a server that dies. */
import { EnvironmentError } from "../../../src/errors.js";
import type {
  EnvironmentState,
  EnvironmentTask,
  TaskEnvironment,
} from "../../../src/evaluation/environments/task-environment.js";

export const corridorTask = (id: string): EnvironmentTask => ({
  id,
  environment: "babyai",
  goal: "leave",
  difficulty: null,
  setup: {},
});

export class Corridor implements TaskEnvironment {
  readonly name = "babyai";
  #opened = 0;
  #tell(observation: string, valid = true): EnvironmentState {
    const won = this.#opened === 2;
    return { observation, goal: "leave the corridor", progress: this.#opened / 2, won, done: won, valid };
  }
  async reset() {
    this.#opened = 0;
    return this.#tell("You stand before two doors.");
  }
  async step(action: string) {
    if (action === "break") throw new EnvironmentError("AGEMEM_ENVIRONMENT_UNREACHABLE", "gone");
    if (action !== "open") return this.#tell("Nothing happens.", false);
    this.#opened++;
    return this.#tell(`Door ${this.#opened} is open.`);
  }
  availableActions = async () => ["open"];
  expert = async () => Array.from({ length: 2 - this.#opened }, () => "open");
  close = async () => undefined;
}
