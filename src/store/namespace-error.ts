/**
 * Reports refused namespaces as LangGraph's `InvalidNamespaceError`, so that code written for its stores catches them.
 *
 * LangGraph does not export the class, so it is taken from an error of LangGraph's own check: that is the copy that the
 * application uses, whatever its version.
 */
import { BaseStore } from "@langchain/langgraph";
import { AgeMemError, type AgeMemErrorOptions, asFamily, InputError } from "../errors.js";

/** Turns an error about a refused namespace into LangGraph's; returns any other error unchanged. */
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
  // Have its check refuse an empty namespace; nothing is written.
  const nothing = { batch: async () => [] } as unknown as BaseStore;
  known ??= BaseStore.prototype.put.call(nothing, [], "key", {}).then(
    () => Error,
    (error: Error) => error.constructor as ErrorClass,
  );
  return known;
}
