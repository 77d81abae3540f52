/**
 * Errors of the application's own tools beside a middleware that has a hook around tool calls.
 *
 * langchain tells the model of any error of a tool, until some middleware has such a hook: then every error is fatal,
 * which the memory tools want and the others do not. Owns the way back to what an agent without the hook would do.
 */
import { ToolMessage } from "@langchain/core/messages";
import type { ToolCall } from "@langchain/core/messages/tool";
import { isGraphBubbleUp } from "@langchain/langgraph";

/** By which langchain knows its own errors. */
const BRAND = "~brand";
/** The brand of an error that is told to the model unless a middleware answers it. */
const TOLD = "ToolInvocationError";

/**
 * Runs the call of an own tool. Its error goes through every middleware outside of this one as it is, so that it can be
 * retried or answered there; where nobody does, langchain tells the model. What cannot be marked for that (thrown text, a
 * frozen error) is told at once.
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
