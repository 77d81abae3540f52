/** The tool by which an agent acts: it goes the way of any tool of an application, beside the six memory operations. */
import { type StructuredToolInterface, tool } from "@langchain/core/tools";
import { z } from "zod";
import { stripEnd } from "../../../text/text.js";

/** Its name; a policy that is trained with it relies on it. */
const ACT_TOOL = "act";

const schema = z.object({ action: z.string().min(1).describe("One action, in the environment's words.") });

/** @param act takes the action and gives the observation */
export function createActTool(act: (action: string) => Promise<string>): StructuredToolInterface {
  return tool(({ action }: z.infer<typeof schema>) => act(action), {
    name: ACT_TOOL,
    description: "Takes one action in the environment and tells what you see then.",
    schema,
  });
}

/**
 * The action in a text answer: what follows the last "Action:", else the first line. For models that say what they do instead of
 * calling a tool.
 */
export function actionIn(text: string): string {
  const marked = text.toLowerCase().lastIndexOf("action:");
  const rest = (marked < 0 ? text : text.slice(marked + "action:".length)).trim();
  const line = (rest.split("\n", 1)[0] ?? "").replace(/^[\s"'`*>]+/, "");
  return stripEnd(line, /["'`*\s]/);
}

/** What a player is told once, in the system prompt, where no edit of the context takes it away. */
export function instructionsFor(goal: string, maxSteps: number): string {
  return [
    "You act in an environment, one action at a time, until the task is done.",
    `Task: ${goal}`,
    `Take each action with the tool "${ACT_TOOL}". You have ${maxSteps} actions. An action that is not understood changes nothing and counts.`,
  ].join("\n");
}
