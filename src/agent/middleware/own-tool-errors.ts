/**
 * Errors of the application's own tools, in an agent whose middleware wraps tool calls.
 *
 * langchain reports tool errors to the model, but makes every error fatal as soon as a middleware wraps tool calls. The
 * memory tools need that, the application's tools do not. Owns restoring the usual behavior for the latter.
 */
import { ToolMessage } from "@langchain/core/messages";
import type { ToolCall } from "@langchain/core/messages/tool";
import { isGraphBubbleUp } from "@langchain/langgraph";

/** The property by which langchain recognizes its own errors. */
const BRAND = "~brand";
/** The brand of an error that is reported to the model unless a middleware handles it. */
const TOLD = "ToolInvocationError";

/**
 * Runs a call of an application's tool. Its error is rethrown unchanged, so that outer middleware can retry or answer it;
 * otherwise langchain reports it to the model. An error that cannot be branded for that (a thrown string, a frozen
 * error) is reported here.
 */
export async function ownCall<T>(
  call: () => Promise<T>,
  { name, id }: ToolCall,
  signal: AbortSignal | undefined,
): Promise<T | ToolMessage> {
  try {
    return await call();
  } catch (error) {
    if (isGraphBubbleUp(error) || signal?.aborted) throw error;
    if (error instanceof Error && (BRAND in error || Object.isExtensible(error))) {
      if (!(BRAND in error)) Object.defineProperty(error, BRAND, { value: TOLD });
      throw error;
    }
    const content = `${error}\n Please fix your mistakes.`;
    return new ToolMessage({ name, content, tool_call_id: id ?? "", status: "error" });
  }
}
