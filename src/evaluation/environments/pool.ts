/** Environments that episodes take turns with: at most as many servers as episodes at once. */
import type { TaskEnvironment } from "./task-environment.js";

/** Opens environments as they are needed and closes all of them at the end. */
export class EnvironmentPool {
  readonly #free: TaskEnvironment[] = [];
  readonly #all: TaskEnvironment[] = [];

  constructor(private readonly open: () => TaskEnvironment) {}

  /** Lends an environment to `work`. One that failed recovers by itself with the next task. */
  async use<T>(work: (environment: TaskEnvironment) => Promise<T>): Promise<T> {
    const environment = this.#free.pop() ?? this.#opened();
    try {
      return await work(environment);
    } finally {
      this.#free.push(environment);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((environment) => environment.close()));
  }

  #opened(): TaskEnvironment {
    const environment = this.open();
    this.#all.push(environment);
    return environment;
  }
}
