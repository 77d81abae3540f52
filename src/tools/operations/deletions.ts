/**
 * Which memories a call has already deleted, in case it runs again after a crash.
 *
 * A versioned store tells from its history, given the version the state had seen. Otherwise a deletion is noted before
 * it is made: a short list per thread, never embedded. Owns those notes; leaves out when to delete (`long-term.ts`).
 */
import type { BaseStore } from "@langchain/langgraph";
import { resolveNamespace } from "../../lib/namespace.js";
import { isVersionedStore } from "../../types.js";
import type { OperationContext } from "../toolkit.js";

/** First label of the namespaces that hold the notes. */
const CALLS_LABEL = "agemem-calls";
const NOTES = "deletions";
/** A step has few calls, so older notes are useless. */
const KEPT = 50;

interface DeletionNote {
  call: string;
  memory: string;
}

/** Whether an earlier run of this same call deleted the memory. */
export async function deletedBefore(
  store: BaseStore,
  id: string,
  context: OperationContext,
): Promise<boolean> {
  if (isVersionedStore(store) && context.seen) {
    const [newest] = await store.history(context.namespace, id);
    return newest?.value === null && newest.revision > context.seen.revision;
  }
  const notes = await readNotes(store, context);
  return notes.some((note) => note.call === context.key && note.memory === id);
}

/** Deletes the memory, leaving a note if the store's history will not tell. */
export async function deleteNoted(
  store: BaseStore,
  id: string,
  context: OperationContext,
  ifRevision?: number,
): Promise<void> {
  const versioned = isVersionedStore(store);
  const deletion = {
    namespace: context.namespace,
    key: id,
    value: null,
    ...(ifRevision === undefined ? {} : { ifRevision }),
  };
  if (versioned && context.seen) {
    await store.batch([deletion]);
    return;
  }
  const noted = [...(await readNotes(store, context)), { call: context.key, memory: id }];
  const value = { notes: noted.slice(-KEPT) };
  const namespace = namespaceOf(context);
  if (versioned) {
    // In one batch, so that it is one revision like any other deletion.
    await store.batch([{ namespace, key: NOTES, value, index: false }, deletion]);
    return;
  }
  // The note comes first because a note without its deletion is harmless.
  await store.put(namespace, NOTES, value, false);
  await store.delete(context.namespace, id);
}

async function readNotes(store: BaseStore, context: OperationContext): Promise<DeletionNote[]> {
  const item = await store.get(namespaceOf(context), NOTES);
  return (item?.value.notes as DeletionNote[] | undefined) ?? [];
}

function namespaceOf({ thread }: OperationContext): string[] {
  return resolveNamespace([CALLS_LABEL, "{thread}"], { thread });
}
