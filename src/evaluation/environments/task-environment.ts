/**
 * The interface of an environment: it sets a task up, takes text actions, and reports progress.
 *
 * Owns what ALFWorld, ScienceWorld, BabyAI (over HTTP) and the PDDL domains have in common. Every implementation passes
 * the same conformance suite. Leaves out players (`actors/`) and how an episode is counted (`episode.ts`).
 */

/** The environments of the paper's evaluation. */
export const ENVIRONMENT_NAMES = ["alfworld", "scienceworld", "babyai", "pddl"] as const;
export type EnvironmentName = (typeof ENVIRONMENT_NAMES)[number];

/** One task. */
export interface EnvironmentTask {
  id: string;
  environment: EnvironmentName;
  /** The goal in the list's words; null if the environment tells it. */
  goal: string | null;
  /** "easy" or "hard"; null if the list does not say. */
  difficulty: string | null;
  /** What the environment needs to set the task up: a game file, a variation, a seed, a problem. */
  setup: Readonly<Record<string, unknown>>;
}

/** The state of an episode after `reset` or `step`. */
export interface EnvironmentState {
  /** What the player reads. */
  observation: string;
  /** What the player must achieve. */
  goal: string;
  /** Largest share of the task achieved so far, 0 to 1; 1 exactly when it is won. */
  progress: number;
  /** Whether the task is solved. */
  won: boolean;
  /** Whether the episode is over, won or not. */
  done: boolean;
  /** Whether the last action was understood and possible; true after `reset`. */
  valid: boolean;
  /** The environment's own score, -100 to 100, if it has one beside progress (ScienceWorld). */
  score?: number;
}

/** An environment that plays one task at a time. */
export interface TaskEnvironment {
  readonly name: EnvironmentName;
  /**
   * Sets a task up from the beginning.
   *
   * @throws InputError for a task it does not have; EnvironmentError `AGEMEM_ENVIRONMENT_UNREACHABLE`,
   * `AGEMEM_ENVIRONMENT_FAILED`
   */
  reset(task: EnvironmentTask, signal?: AbortSignal): Promise<EnvironmentState>;
  /** Takes one action. One that is not understood changes nothing and gives `valid: false`. */
  step(action: string, signal?: AbortSignal): Promise<EnvironmentState>;
  /** Actions possible now, or their patterns if there are too many; empty if the environment does not tell. */
  availableActions(signal?: AbortSignal): Promise<readonly string[]>;
  /**
   * The next actions of an expert in the current state: all that are left, or only the next one. Undefined if there is
   * no expert for the task. For proving that tasks can be solved; never shown to a player.
   */
  expert(signal?: AbortSignal): Promise<readonly string[] | undefined>;
  /** Releases what the environment holds. Safe to call twice. */
  close(): Promise<void>;
}
