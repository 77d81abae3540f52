/** The tool with which an agent acts. It is an ordinary tool, beside the six memory operations. */
import { type StructuredToolInterface, tool } from "@langchain/core/tools";
import { z } from "zod";
import { stripEnd } from "../../../text/text.js";
import { actionForms } from "../action-forms.js";
import type { EnvironmentName } from "../task-environment.js";

/** What a player is told. */
export interface Instructed {
  goal: string;
  environment: EnvironmentName;
  maxSteps: number;
}

/** Its name, on which trained policies depend. */
const ACT_TOOL = "act";

const schema = z.object({ action: z.string().min(1).describe("One action, in the environment's words.") });

/** @param act takes the action and returns the observation */
export function createActTool(act: (action: string) => Promise<string>): StructuredToolInterface {
  return tool(({ action }: z.infer<typeof schema>) => act(action), {
    name: ACT_TOOL,
    description: "Takes one action in the environment and tells what you see then.",
    schema,
  });
}

/**
 * The action in a text answer: what follows the last "Action:", or else the first line. For models that say what they
 * do instead of calling a tool.
 */
export function actionIn(text: string): string {
  const marked = text.toLowerCase().lastIndexOf("action:");
  const rest = (marked < 0 ? text : text.slice(marked + "action:".length)).trim();
  const line = (rest.split("\n", 1)[0] ?? "").replace(/^[\s"'`*>]+/, "");
  return stripEnd(line, /["'`*\s]/);
}

/** Instructions for the player, in the system prompt, which no edit of the context can remove. */
export function instructionsFor({ goal, environment, maxSteps }: Instructed): string {
  return [
    "You act in an environment, one action at a time, until the task is done.",
    `Task: ${goal}`,
    actionForms(environment),
    `Take each action with the tool "${ACT_TOOL}". You have ${maxSteps} actions. An action that is not understood changes nothing and counts.`,
  ].join("\n");
}
