/**
 * What an environment is to whoever plays in it: a task is set up, text actions are taken, progress is told.
 *
 * Owns the interface that ALFWorld, ScienceWorld, BabyAI (over HTTP) and the PDDL domains share. Every implementation passes
 * the same conformance suite. Leaves out who acts (`actors/`) and how an episode is counted (`episode.ts`).
 */

/** The environments of the paper's evaluation. */
export const ENVIRONMENT_NAMES = ["alfworld", "scienceworld", "babyai", "pddl"] as const;
export type EnvironmentName = (typeof ENVIRONMENT_NAMES)[number];

/** One task of a list. */
export interface EnvironmentTask {
  id: string;
  environment: EnvironmentName;
  /** As the list words it; null where the environment tells it itself. */
  goal: string | null;
  /** "easy" or "hard", where the list says so. */
  difficulty: string | null;
  /** What sets the task up, as the environment takes it: a game file, a variation, a seed, a problem. */
  setup: Readonly<Record<string, unknown>>;
}

/** Where an episode stands after `reset` or `step`. */
export interface EnvironmentState {
  /** What the player reads. */
  observation: string;
  /** What is to be achieved. */
  goal: string;
  /** Share of the task achieved at best so far, 0 to 1; 1 exactly when it is won. */
  progress: number;
  /** Whether the task is solved. */
  won: boolean;
  /** Whether the episode is over, won or not. */
  done: boolean;
  /** Whether the environment understood the last action and could do it; true after `reset`. */
  valid: boolean;
  /** The environment's own score, -100 to 100, where it has one beside progress (ScienceWorld). */
  score?: number;
}

/** An environment that plays one task at a time. */
export interface TaskEnvironment {
  readonly name: EnvironmentName;
  /**
   * Sets a task up from its start.
   *
   * @throws InputError for a task it does not have; EnvironmentError `AGEMEM_ENVIRONMENT_UNREACHABLE`, `AGEMEM_ENVIRONMENT_FAILED`
   */
  reset(task: EnvironmentTask, signal?: AbortSignal): Promise<EnvironmentState>;
  /** Takes one action; one that is not understood is answered with `valid: false` and changes nothing. */
  step(action: string, signal?: AbortSignal): Promise<EnvironmentState>;
  /** Actions that can be taken now, or their forms where there are too many; empty where it does not tell. */
  availableActions(signal?: AbortSignal): Promise<readonly string[]>;
  /**
   * The next actions of an expert from where the episode stands: all that are left, or the next one. Undefined where there is no
   * expert for the task. For proving tasks, never shown to a player.
   */
  expert(signal?: AbortSignal): Promise<readonly string[] | undefined>;
  /** Gives up what the environment holds; safe to call twice. */
  close(): Promise<void>;
}
