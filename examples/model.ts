/** The model of the examples: a real one where the environment names it, else a script, so that they run offline. */
import { resolveChatModel } from "../src/index.js";
import { ScriptedChatModel, type ScriptedStep } from "../src/testing.js";

/** With `OPENAI_API_KEY`, `OPENAI_BASE_URL` or `AGEMEM_MODEL` (such as gguf:FILE) the model they name. */
export function modelOr(script: ScriptedStep[]) {
  const { OPENAI_API_KEY, OPENAI_BASE_URL, AGEMEM_MODEL = "offline" } = process.env;
  const named = OPENAI_API_KEY || OPENAI_BASE_URL || AGEMEM_MODEL !== "offline";
  return named ? resolveChatModel() : new ScriptedChatModel(script);
}

/** A scripted response that calls one tool. */
export function call(name: string, args: Record<string, unknown>): ScriptedStep {
  return { tool_calls: [{ name, args }] };
}
