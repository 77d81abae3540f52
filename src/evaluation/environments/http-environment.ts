/**
 * An environment behind a server that speaks AgentGym's protocol, with or without the fields that our servers add.
 *
 * Owns the calls, their time limit and the errors. Leaves out reading the answers (`http-shapes.ts`).
 */
import { EnvironmentError, InputError, messageOf } from "../../errors.js";
import { readState, type ServerAnswer, serverAnswer } from "./http-shapes.js";
import type {
  EnvironmentName,
  EnvironmentState,
  EnvironmentTask,
  TaskEnvironment,
} from "./task-environment.js";

/** Options of {@link HttpEnvironment}. */
export interface HttpEnvironmentOptions {
  name: EnvironmentName;
  /** Base address, such as `http://127.0.0.1:8000`. */
  url: string;
  /** Time limit of a call in milliseconds; default 120,000. */
  timeoutMs?: number;
}

/**
 * @example
 * const environment = new HttpEnvironment({ name: "babyai", url: "http://127.0.0.1:8000" });
 * const { observation } = await environment.reset(task);
 */
export class HttpEnvironment implements TaskEnvironment {
  readonly name: EnvironmentName;
  readonly #url: string;
  readonly #timeoutMs: number;
  #id: number | string | undefined;
  #task: EnvironmentTask | undefined;
  #state: EnvironmentState | undefined;

  constructor({ name, url, timeoutMs = 120_000 }: HttpEnvironmentOptions) {
    this.name = name;
    this.#url = url.replace(/\/$/, "");
    this.#timeoutMs = timeoutMs;
  }

  async reset(task: EnvironmentTask, signal?: AbortSignal): Promise<EnvironmentState> {
    if (this.#id === undefined) {
      const { id } = await this.#post("create", {}, signal);
      if (id === undefined) throw this.#nonsense("create", "no id");
      this.#id = id;
    }
    this.#task = task;
    this.#state = undefined;
    const answer = await this.#post("reset", { ...task.setup, id: this.#id }, signal);
    return this.#read("reset", answer);
  }

  async step(action: string, signal?: AbortSignal): Promise<EnvironmentState> {
    this.#current();
    return this.#read("step", await this.#post("step", { id: this.#id, action }, signal));
  }

  /** Tries both paths that AgentGym's servers use for it. */
  async availableActions(signal?: AbortSignal): Promise<readonly string[]> {
    this.#current();
    for (const path of ["available_actions", "action_hint"]) {
      const answer = await this.#ask(path, undefined, signal);
      const actions = answer?.available_actions ?? answer?.possible_actions;
      if (actions) return actions;
    }
    return [];
  }

  async expert(signal?: AbortSignal): Promise<readonly string[] | undefined> {
    this.#current();
    return (await this.#ask("expert", undefined, signal))?.actions ?? undefined;
  }

  /** Ignores a server that is gone: it has nothing left to release. */
  async close(): Promise<void> {
    const id = this.#id;
    this.#id = undefined;
    this.#state = undefined;
    if (id === undefined) return;
    try {
      await this.#ask("close", { id });
    } catch (error) {
      if (!(error instanceof EnvironmentError)) throw error;
    }
  }

  #current(): void {
    if (!this.#state) throw new TypeError("Call reset(task) before anything else");
  }

  #read(path: string, answer: ServerAnswer): EnvironmentState {
    const read = readState(answer, { name: this.name, task: this.#task, before: this.#state });
    if (typeof read === "string") throw this.#nonsense(path, read);
    this.#state = read;
    return read;
  }

  async #post(path: string, body: object, signal?: AbortSignal): Promise<ServerAnswer> {
    const answer = await this.#ask(path, body, signal);
    if (!answer) throw this.#nonsense(path, "it has no such path");
    return answer;
  }

  /** Calls a path, with GET if there is no body. Undefined if the server has no such path. */
  async #ask(path: string, body?: object, signal?: AbortSignal): Promise<ServerAnswer | undefined> {
    const query = body ? "" : `?id=${encodeURIComponent(String(this.#id))}`;
    const { status, text } = await this.#fetch(`${this.#url}/${path}${query}`, body, signal);
    if (status === 404 || status === 405) return undefined;
    if (status !== 200) throw this.#nonsense(path, `status ${status}`);
    const answer = parsed(text);
    if (!answer) throw this.#nonsense(path, text.slice(0, 200));
    if (answer.error === undefined) return answer;
    const details = { environment: this.name, path, task: this.#task?.id };
    if (answer.kind === "request") {
      throw new InputError("AGEMEM_INPUT_ARGUMENT", `${this.name} refused ${path}: ${answer.error}`, {
        remedy: "Correct the task; the server keeps running.",
        details,
      });
    }
    throw new EnvironmentError(
      "AGEMEM_ENVIRONMENT_FAILED",
      `${this.name} failed in ${path}: ${answer.error}`,
      {
        remedy: "Read the server's own output.",
        details,
      },
    );
  }

  async #fetch(url: string, body: object | undefined, signal: AbortSignal | undefined) {
    const limit = AbortSignal.timeout(this.#timeoutMs);
    try {
      const response = await fetch(url, {
        ...(body
          ? { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }
          : {}),
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
      });
      return { status: response.status, text: await response.text() };
    } catch (cause) {
      signal?.throwIfAborted();
      const why = limit.aborted
        ? `did not answer in ${this.#timeoutMs} ms`
        : `cannot be reached (${reason(cause)})`;
      throw new EnvironmentError("AGEMEM_ENVIRONMENT_UNREACHABLE", `The ${this.name} server ${why}`, {
        cause,
        remedy: "Start it again; the episode is lost.",
        details: { environment: this.name, url },
      });
    }
  }

  #nonsense(path: string, what: string): EnvironmentError {
    return new EnvironmentError(
      "AGEMEM_ENVIRONMENT_FAILED",
      `The ${this.name} server's ${path} answered ${what}`,
      {
        remedy: "Is this the environment's server? It has to speak AgentGym's protocol.",
        details: { environment: this.name, url: this.#url, path },
      },
    );
  }
}

function parsed(text: string): ServerAnswer | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return serverAnswer.safeParse(typeof value === "number" ? { id: value } : value).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** fetch only says "fetch failed"; its cause has the reason. */
function reason(error: unknown): string {
  const { cause } = error as { cause?: unknown };
  return messageOf(cause ?? error);
}
