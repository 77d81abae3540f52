/** The name under which a model's calls are recorded and priced. */
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";

/**
 * The model name sent to the server, which recordings use too; "unknown" for a model that reports none.
 *
 * @example
 * modelNameOf(new ChatOpenAI({ model: "gpt-4o-mini" })); // "gpt-4o-mini"
 */
export function modelNameOf(model: BaseChatModel): string {
  const sent = model.invocationParams({}) as Record<string, unknown> | undefined;
  const names = [sent?.model, sent?.model_name, sent?.modelName, model.getLsParams({}).ls_model_name];
  const name = names.find((each) => typeof each === "string" && each !== "");
  return (name as string | undefined) ?? "unknown";
}
