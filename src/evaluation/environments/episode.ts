/**
 * One episode: an actor takes actions until the task is done, the steps are used up, or something fails.
 *
 * Owns what counts as a step, and AgentBoard's metrics: success, progress, grounding accuracy (share of valid actions).
 * A server that dies, hangs or answers nonsense ends the episode with the error's code, but not the run.
 */
import { AgeMemError, type AgeMemErrorCode, messageOf } from "../../errors.js";
import type { CallUsage, MemoryOp } from "../../types.js";
import type { EnvironmentState, EnvironmentTask, TaskEnvironment } from "./task-environment.js";

/** Environment actions per episode in AgentBoard's setting. */
const MAX_STEPS = 30;

/** What an actor sees of an episode and can do in it. */
export interface EpisodeView {
  readonly task: EnvironmentTask;
  readonly environment: TaskEnvironment;
  /** The current state. */
  readonly state: EnvironmentState;
  /** Number of actions left. */
  readonly stepsLeft: number;
  readonly signal: AbortSignal | undefined;
  /**
   * Takes an action and returns the observation. After the end or the last step no action is taken, and the answer says
   * so. A failure of the environment ends the episode, whatever the actor does about it.
   */
  act(action: string): Promise<string>;
}

/** A player. One actor plays one episode. */
export interface Actor {
  /** Plays one turn, with any number of actions. "stop" ends the episode. */
  turn(view: EpisodeView): Promise<"go on" | "stop">;
  /** Called once at the end, unless something failed: the last observation is in the view, and no action is taken any more. */
  finish?(view: EpisodeView): Promise<void>;
  /** Cost so far. */
  cost?(): ActorCost;
}

/** Cost of an actor's models, and its memory operations. */
export interface ActorCost {
  /** Calls of the acting model. */
  policy: CallUsage;
  /** Calls of the summarizer. */
  auxiliary: CallUsage;
  /** Memory operations, and how many of them were refused. */
  operations: Partial<Record<MemoryOp, { calls: number; refused: number }>>;
  /** Responses that broke the protocol. */
  formatErrors: number;
  /** Memories that the model was shown, retrieved or beside the context, and their tokens, over all calls; absent if none can be. */
  recalled?: { memories: number; tokens: number };
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
  /** Most actions; default 30. */
  maxSteps?: number;
  /** Most turns of the actor, so that one that never acts comes to an end; default: twice `maxSteps`. */
  maxTurns?: number;
  /** When it aborts, its reason is thrown. */
  signal?: AbortSignal;
}

/** Result of an episode. */
export interface EpisodeResult {
  taskId: string;
  environment: string;
  goal: string | null;
  /** The first observation; null if the task could not be set up. */
  start: string | null;
  /** "lost": the environment ended it unsolved; "stopped": the actor ended it; "steps", "turns": they were used up. */
  ended: "won" | "lost" | "stopped" | "steps" | "turns" | "error";
  success: boolean;
  /** 0 to 1. */
  progress: number;
  /** The environment's own score at the end; null if it has none. */
  score: number | null;
  /** Share of valid actions; null when no action was taken. */
  groundingAccuracy: number | null;
  steps: EpisodeStep[];
  turns: number;
  /** Null for an actor without models. */
  cost: ActorCost | null;
  /** `code` is null for an error that is not agemem's. */
  error: { code: AgeMemErrorCode | null; message: string } | null;
  latencyMs: number;
}

/**
 * Plays one episode. Leaves the environment open.
 *
 * @throws only the reason of `signal`; other failures are in the result
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
    session.end ??= "turns";
    await actor.finish?.(session);
    ended = session.end;
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
    start: session.start,
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

/** Counts and records what happens. Only it touches the environment. */
class Session implements EpisodeView {
  readonly steps: EpisodeStep[] = [];
  readonly task: EnvironmentTask;
  readonly environment: TaskEnvironment;
  readonly signal: AbortSignal | undefined;
  current: EnvironmentState | undefined;
  start: string | null = null;
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
    this.start = this.current.observation;
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

  /** Throws a failure of the environment, because an agent would answer it to the model like a tool's error. */
  throwFailure(): void {
    if (this.#failure) throw this.#failure.error;
  }
}
