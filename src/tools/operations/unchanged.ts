/**
 * Whether a memory is still what the run read: the refusal of an UPDATE or DELETE that somebody else's write has overtaken.
 *
 * Owns what counts as read: the newest state that the context shows, and what the run's own calls wrote since. A memory
 * that the context does not show was read nowhere, and nothing is compared.
 */
import { AIMessage } from "@langchain/core/messages";
import type { Item } from "@langchain/langgraph";
import { memoriesInContext, renderMemories } from "../../context/retrieval.js";
import { AgeMemError, InputError } from "../../errors.js";
import { isVersionedStore, type MemoryValue } from "../../types.js";
import type { MemoryToolkit, OperationContext } from "../toolkit.js";
import { toRendered } from "./rendered.js";

/** The revision a write must still meet; undefined for stores without revisions. */
export async function revisionOfMemory(
  kit: MemoryToolkit,
  id: string,
  context: OperationContext,
): Promise<number | undefined> {
  if (!isVersionedStore(kit.store)) return undefined;
  return (await kit.store.history(context.namespace, id))[0]?.revision;
}

/** Throws `AGEMEM_MEMORY_CHANGED`, with what the memory says now, when it is not what the run or a person has seen. */
export function refuseOvertaken(item: Item, revision: number | undefined, context: OperationContext): void {
  if (isOwn(item, context)) return;
  const read = memoriesInContext(context.facts).get(item.key);
  const overtaken =
    read === undefined || read === null
      ? // A person was shown the memory as it was when the state last saw M.
        context.approved && context.seen && revision !== undefined && revision > context.seen.revision
      : item.updatedAt.getTime() > read;
  if (overtaken) throw changed(item);
}

/** A write that came too late by a moment, between the look and the write: the same answer. */
export async function orOvertaken(
  kit: MemoryToolkit,
  id: string,
  context: OperationContext,
  write: () => Promise<void>,
): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (!AgeMemError.isInstance(error) || error.code !== "AGEMEM_STORE_CONFLICT") throw error;
    const now = await kit.store.get(context.namespace, id);
    throw now ? changed(now) : gone(id);
  }
}

function isOwn(item: Item, context: OperationContext): boolean {
  const { source } = item.value as Partial<MemoryValue>;
  if (source?.thread !== context.thread) return false;
  return context.messages.some(
    (message) =>
      AIMessage.isInstance(message) && message.tool_calls?.some((call) => call.id === source?.tool_call),
  );
}

function changed(item: Item): InputError {
  const now = renderMemories([toRendered(item)], { query: item.key });
  return new InputError("AGEMEM_MEMORY_CHANGED", "Somebody else changed this memory since you read it", {
    remedy: `Nothing was done. Decide anew from what it says now: ${now}`,
    details: { shown: { [item.key]: item.updatedAt.getTime() } },
  });
}

function gone(id: string): InputError {
  return new InputError("AGEMEM_MEMORY_NOT_FOUND", "Somebody else deleted this memory since you read it", {
    remedy: "Nothing was done. Add it again if it is still true.",
    details: { id },
  });
}
