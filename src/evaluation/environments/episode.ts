/**
 * One episode: an actor takes actions until the task is done, its steps are used up, or something fails.
 *
 * Owns what counts as a step and the figures of AgentBoard: success, progress, grounding accuracy (valid actions of all). A
 * server that dies, hangs or talks nonsense ends the episode with the error's code, and not the run.
 */
import { AgeMemError, type AgeMemErrorCode, messageOf } from "../../errors.js";
import type { CallUsage, MemoryOp } from "../../types.js";
import type { EnvironmentState, EnvironmentTask, TaskEnvironment } from "./task-environment.js";

/** Environment actions per episode in AgentBoard's setting. */
const MAX_STEPS = 30;

/** What an actor may do in an episode. */
export interface EpisodeView {
  readonly task: EnvironmentTask;
  readonly environment: TaskEnvironment;
  /** Where the episode stands. */
  readonly state: EnvironmentState;
  /** Actions that may still be taken. */
  readonly stepsLeft: number;
  readonly signal: AbortSignal | undefined;
  /**
   * Takes an action; the observation. An action beyond the last, or after the end, is answered and not taken. A failure of the
   * environment ends the episode whatever the actor makes of it.
   */
  act(action: string): Promise<string>;
}

/** Who plays. One actor plays one episode. */
export interface Actor {
  /** One turn, of which the actor takes any number of actions; "stop" ends the episode. */
  turn(view: EpisodeView): Promise<"go on" | "stop">;
  /** What it cost so far. */
  cost?(): ActorCost;
}

/** What an actor's models and memory cost. */
export interface ActorCost {
  /** Calls of the acting model. */
  policy: CallUsage;
  /** Calls of the summarizer. */
  auxiliary: CallUsage;
  /** Memory operations that ran, and how many of them were refused. */
  operations: Partial<Record<MemoryOp, { calls: number; refused: number }>>;
  /** Responses that broke the protocol. */
  formatErrors: number;
}

/** One action that was taken. */
export interface EpisodeStep {
  action: string;
  observation: string;
  valid: boolean;
  progress: number;
}

/** Options of {@link playEpisode}. */
export interface EpisodeOptions {
  environment: TaskEnvironment;
  task: EnvironmentTask;
  actor: Actor;
  /** Actions that may be taken; default 30. */
  maxSteps?: number;
  /** Turns of the actor, so that one that never acts ends; default twice `maxSteps`. */
  maxTurns?: number;
  /** Its reason is thrown. */
  signal?: AbortSignal;
}

/** How an episode went. */
export interface EpisodeResult {
  taskId: string;
  environment: string;
  goal: string | null;
  /** "won"; "lost": the environment ended it unsolved; "stopped": by the actor; "steps" or "turns" used up; "error". */
  ended: "won" | "lost" | "stopped" | "steps" | "turns" | "error";
  success: boolean;
  /** 0 to 1. */
  progress: number;
  /** The environment's own score at the end; null where it has none. */
  score: number | null;
  /** Valid actions of all that were taken; null when none was. */
  groundingAccuracy: number | null;
  steps: EpisodeStep[];
  turns: number;
  /** Null for an actor without models. */
  cost: ActorCost | null;
  /** The code is null for an error that is not agemem's. */
  error: { code: AgeMemErrorCode | null; message: string } | null;
  latencyMs: number;
}

/**
 * Plays one episode and leaves the environment open.
 *
 * @throws the reason of `signal`; nothing else: what fails is in the result
 * @example
 * const result = await playEpisode({ environment, task, actor: scriptedActor(["look"]) });
 * console.log(result.success, result.progress, result.groundingAccuracy);
 */
export async function playEpisode(options: EpisodeOptions): Promise<EpisodeResult> {
  const { task, environment, actor, signal } = options;
  const started = Date.now();
  const session = new Session(options);
  let ended: EpisodeResult["ended"] = "error";
  let error: EpisodeResult["error"] = null;
  let turns = 0;
  try {
    await session.begin();
    const maxTurns = options.maxTurns ?? 2 * (options.maxSteps ?? MAX_STEPS);
    while (!session.end && turns < maxTurns) {
      turns++;
      const stopped = (await actor.turn(session)) === "stop";
      session.throwFailure();
      if (stopped && !session.end) session.end = "stopped";
    }
    ended = session.end ?? "turns";
  } catch (thrown) {
    signal?.throwIfAborted();
    const code = AgeMemError.isInstance(thrown) ? thrown.code : null;
    error = { code, message: messageOf(thrown) };
  }
  const { steps, current } = session;
  return {
    taskId: task.id,
    environment: environment.name,
    goal: current?.goal ?? task.goal,
    ended,
    success: current?.won ?? false,
    progress: current?.progress ?? 0,
    score: current?.score ?? null,
    groundingAccuracy: steps.length ? steps.filter(({ valid }) => valid).length / steps.length : null,
    steps,
    turns,
    cost: actor.cost?.() ?? null,
    error,
    latencyMs: Date.now() - started,
  };
}

/** Counts and keeps what happens; the only one that reaches the environment. */
class Session implements EpisodeView {
  readonly steps: EpisodeStep[] = [];
  readonly task: EnvironmentTask;
  readonly environment: TaskEnvironment;
  readonly signal: AbortSignal | undefined;
  current: EnvironmentState | undefined;
  end: EpisodeResult["ended"] | undefined;
  readonly #maxSteps: number;
  #failure: { error: unknown } | undefined;

  constructor({ task, environment, signal, maxSteps = MAX_STEPS }: EpisodeOptions) {
    this.task = task;
    this.environment = environment;
    this.signal = signal;
    this.#maxSteps = maxSteps;
  }

  get state(): EnvironmentState {
    return this.current as EnvironmentState;
  }

  get stepsLeft(): number {
    return this.#maxSteps - this.steps.length;
  }

  async begin(): Promise<void> {
    this.current = await this.environment.reset(this.task, this.signal);
    if (this.current.done) this.end = this.current.won ? "won" : "lost";
  }

  async act(action: string): Promise<string> {
    this.throwFailure();
    if (this.end) return "The episode is over: no action was taken.";
    try {
      this.current = await this.environment.step(action, this.signal);
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
    const { observation, valid, progress, won, done } = this.current;
    this.steps.push({ action, observation, valid, progress });
    if (won) this.end = "won";
    else if (done) this.end = "lost";
    else if (this.stepsLeft <= 0) this.end = "steps";
    return observation;
  }

  /** An agent turns a tool's error into an answer for the model; the environment's is not the model's mistake. */
  throwFailure(): void {
    if (this.#failure) throw this.#failure.error;
  }
}
