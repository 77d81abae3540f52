/**
 * Refuses an UPDATE or DELETE if somebody else has written the memory since the run read it.
 *
 * Owns what counts as read: the newest state the context shows, and what the conversation's own calls wrote since. For a
 * memory that the context does not show, only a call that a person approved is checked.
 */
import { AIMessage } from "@langchain/core/messages";
import type { Item } from "@langchain/langgraph";
import { memoriesInContext, renderMemories } from "../../context/retrieval.js";
import { AgeMemError, InputError } from "../../errors.js";
import { isVersionedStore, type MemoryValue } from "../../types.js";
import type { MemoryToolkit, OperationContext } from "../toolkit.js";
import { toRendered } from "./rendered.js";

/** The memory's revision, which the write will require to be unchanged; undefined for stores without revisions. */
export async function revisionOfMemory(
  kit: MemoryToolkit,
  id: string,
  context: OperationContext,
): Promise<number | undefined> {
  if (!isVersionedStore(kit.store)) return undefined;
  return (await kit.store.history(context.namespace, id))[0]?.revision;
}

/** Throws `AGEMEM_MEMORY_CHANGED`, quoting what the memory says now, if the run or the person saw an older state. */
export function refuseOvertaken(item: Item, revision: number | undefined, context: OperationContext): void {
  if (isOwn(item, context)) return;
  const read = memoriesInContext(context.facts).get(item.key);
  const overtaken =
    read === undefined || read === null
      ? // The person saw the memory in the version of the store that the state last saw.
        context.approved && context.seen && revision !== undefined && revision > context.seen.revision
      : item.updatedAt.getTime() > read;
  if (overtaken) throw changed(item);
}

/** Runs `write`, and turns a conflict (somebody wrote after the check above) into the same refusal. */
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
    remedy: `Nothing was done. Decide again from what it says now: ${now}`,
    details: { shown: { [item.key]: item.updatedAt.getTime() } },
  });
}

function gone(id: string): InputError {
  return new InputError("AGEMEM_MEMORY_NOT_FOUND", "Somebody else deleted this memory since you read it", {
    remedy: "Nothing was done. Add it again if it is still true.",
    details: { id },
  });
}
