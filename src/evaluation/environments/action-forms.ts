/**
 * The actions of each environment in words, for the player's instructions: AgentBoard's setting tells them too.
 *
 * Owns the wording. The PDDL domains explain their actions in the first observation, so here is only how to ask for them.
 */
import type { EnvironmentName } from "./task-environment.js";

const FORMS: Readonly<Record<EnvironmentName, string>> = {
  alfworld:
    "go to X, open X, close X, take X from Y, move X to Y, use X, clean X with Y, heat X with Y, cool X with Y, slice X with Y, examine X, inventory, look, check valid actions",
  scienceworld:
    "look around, look at X, look in X, go to X, open X, close X, pick up X, put down X, move X to Y, pour X into Y, dunk X into Y, mix X, activate X, deactivate X, use X on Y, connect X to Y, disconnect X, read X, eat X, flush X, focus on X, wait, inventory, check valid actions",
  babyai:
    "turn left, turn right, move forward, go to X, pick up X, drop, go through X, toggle and go through X, toggle, check available actions",
  pddl: "check valid actions, look around",
};

/** One line: the forms of the actions, with X and Y for things that the observations name. */
export function actionForms(name: EnvironmentName): string {
  const which =
    name === "pddl" ? "beside those of the first observation" : "with names of things for X and Y";
  return `Actions, ${which}: ${FORMS[name]}.`;
}
