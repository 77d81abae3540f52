/** Actors without a model: a list of actions, an expert, one that only looks. They test environments and tasks. */
import type { Actor, EpisodeView } from "../episode.js";

/** Takes the actions in order, then stops. */
export function scriptedActor(actions: readonly string[]): Actor {
  let next = 0;
  return {
    turn: async (view) => {
      const action = actions[next++];
      if (action === undefined) return "stop";
      await view.act(action);
      return "go on";
    },
  };
}

/** Repeats one action, by default "look"; its score is what doing nothing is worth. */
export function nullActor(action = "look"): Actor {
  return {
    turn: async (view) => {
      await view.act(action);
      return "go on";
    },
  };
}

/** Does what the environment's expert says; stops if there is no expert, or it has no action. */
export function expertActor(): Actor {
  return {
    turn: async (view: EpisodeView) => {
      const actions = await view.environment.expert(view.signal);
      if (!actions?.length) return "stop";
      for (const action of actions) {
        if (view.stepsLeft <= 0 || view.state.done) break;
        await view.act(action);
      }
      return "go on";
    },
  };
}
