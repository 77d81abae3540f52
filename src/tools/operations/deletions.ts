/**
 * Which memories a call has deleted already, for a call that is run again after a crash.
 *
 * A store with versions tells by its history. Others forget what they held, so a deletion is noted before it is made:
 * a few lines per thread, never embedded. Leaves out deleting (`long-term.ts`).
 */
import type { BaseStore } from "@langchain/langgraph";
import { resolveNamespace } from "../../lib/namespace.js";
import { isVersionedStore } from "../../types.js";
import type { OperationContext } from "../toolkit.js";

/** First label of the namespaces that hold the notes. */
const CALLS_LABEL = "agemem-calls";
const NOTES = "deletions";
/** A crashed step has few calls; older notes are of no use. */
const KEPT = 50;

interface DeletionNote {
  call: string;
  memory: string;
}

/** Whether this very call deleted the memory before it was run again. */
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

/** Deletes the memory, with a note of it where the store's history will not tell. */
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
    // One revision, as for any other deletion.
    await store.batch([{ namespace, key: NOTES, value, index: false }, deletion]);
    return;
  }
  // The note comes first: a note without its deletion harms nobody.
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
