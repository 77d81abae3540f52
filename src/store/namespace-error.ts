/**
 * A refused namespace as LangGraph's `InvalidNamespaceError`, so that code written for its stores catches it.
 *
 * LangGraph does not export the class; its own check raises it, and that is where it is taken from: the copy that
 * the application uses, whatever the version.
 */
import { BaseStore } from "@langchain/langgraph";
import { AgeMemError, type AgeMemErrorOptions, asFamily, InputError } from "../errors.js";

/** Any error that says a namespace is refused comes back as LangGraph's, every other as it is. */
export async function asNamespaceError(error: unknown): Promise<unknown> {
  if (!AgeMemError.isInstance(error) || error.code !== "AGEMEM_NAMESPACE_INVALID") return error;
  const Base = await langGraphClass();
  const options: AgeMemErrorOptions = { details: error.details, cause: error.cause };
  if (error.remedy !== undefined) options.remedy = error.remedy;
  return asFamily(InputError, new Base(error.message), error.code, options);
}

type ErrorClass = new (message: string) => Error;

let known: Promise<ErrorClass> | undefined;

function langGraphClass(): Promise<ErrorClass> {
  // Its own check is asked about an empty namespace; nothing is written.
  const nothing = { batch: async () => [] } as unknown as BaseStore;
  known ??= BaseStore.prototype.put.call(nothing, [], "key", {}).then(
    () => Error,
    (error: Error) => error.constructor as ErrorClass,
  );
  return known;
}
