/** Finds the ToolMessages and memory outcomes in whatever a tool returned. Pure. */
import { type BaseMessage, ToolMessage } from "@langchain/core/messages";
import { MEMORY_OPS, type MemoryOpOutcome } from "../types.js";
import { fields } from "./call-facts.js";
import type { MemoryOpRecord } from "./schema-parts.js";

/** ToolMessages of a tool's output: the output itself, those of a `Command`'s update, or of a list of either. */
export function toolMessagesOf(output: unknown): ToolMessage[] {
  if (Array.isArray(output)) return output.flatMap(toolMessagesOf);
  if (typeof output !== "object" || output === null) return [];
  if (isToolMessage(output)) return [output];
  return messagesOf(output).filter(isToolMessage);
}

/** The `messages` of a state update, which may be inside a `Command`. */
export function messagesOf(update: unknown): BaseMessage[] {
  const found = fields(update).messages ?? fields(fields(update).update).messages;
  if (Array.isArray(found)) return found;
  return found === undefined || found === null ? [] : [found as BaseMessage];
}

/** The artifact of a memory tool's message; undefined for any other tool. */
export function outcomeOf(message: ToolMessage): MemoryOpOutcome | undefined {
  const artifact = fields(message.artifact);
  const known = artifact.kind === "agemem.op/1" && MEMORY_OPS.some((op) => op === artifact.op);
  return known ? (artifact as unknown as MemoryOpOutcome) : undefined;
}

/** Converts an outcome to its record. `input` is what the tool run received; null when unknown. */
export function toMemoryOpRecord(outcome: MemoryOpOutcome, input: string | null = null): MemoryOpRecord {
  const { auxiliary } = outcome;
  return {
    op: outcome.op,
    tool_call_id: outcome.toolCallId,
    arguments: input,
    ok: outcome.ok,
    error: outcome.error ? { code: outcome.error.code, message: outcome.error.message } : null,
    memory_ids: [...outcome.memoryIds],
    search_mode: outcome.searchMode ?? null,
    namespace: [...outcome.namespace],
    revision_before: outcome.revisionBefore,
    revision_after: outcome.revisionAfter,
    tokens_before: outcome.tokensBefore,
    tokens_after: outcome.tokensAfter,
    edit_id: outcome.editId ?? null,
    message_ids: [...(outcome.messageIds ?? [])],
    auxiliary: auxiliary
      ? {
          calls: auxiliary.calls,
          prompt_tokens: auxiliary.promptTokens,
          completion_tokens: auxiliary.completionTokens,
          latency_ms: auxiliary.latencyMs,
        }
      : null,
    latency_ms: outcome.latencyMs,
  };
}

function isToolMessage(value: unknown): value is ToolMessage {
  return typeof value === "object" && value !== null && ToolMessage.isInstance(value);
}
