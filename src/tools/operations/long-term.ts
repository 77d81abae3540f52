/**
 * ADD, UPDATE, DELETE: the operations on long-term memory (AgeMem, eq. 10-13).
 *
 * Owns what is stored and when a request is refused. Leaves out embedding and durability, which are the store's.
 */
import type { Item } from "@langchain/langgraph";
import { InputError } from "../../errors.js";
import { editDistance } from "../../lib/check-options.js";
import { shortHash } from "../../lib/hash.js";
import { escapeXml } from "../../text/escaping.js";
import { collapseSpace, stripEnd, truncate } from "../../text/text.js";
import type { MemoryValue, PutOptions } from "../../types.js";
import { isVersionedStore } from "../../types.js";
import { checkSize, namespaceFull } from "../limits.js";
import type { AddArguments, DeleteArguments, UpdateArguments } from "../schemas.js";
import { holdsAtLeast, searchExact } from "../search/exact-search.js";
import { similaritySearch } from "../search/search-mode.js";
import type { MemoryToolkit, OperationContext, OperationEffect } from "../toolkit.js";
import { deletedBefore, deleteNoted } from "./deletions.js";
import { contentOf } from "./rendered.js";
import { saidBy } from "./said-by.js";
import { orOvertaken, refuseOvertaken, revisionOfMemory } from "./unchanged.js";

/**
 * Stores a new memory. Refused if an equal or nearly equal one exists (`AGEMEM_MEMORY_DUPLICATE`), unless the model
 * insists with `force`, and if the memory is too large or the namespace full (`AGEMEM_MEMORY_LIMIT`).
 */
export async function addMemory(
  kit: MemoryToolkit,
  args: AddArguments,
  context: OperationContext,
): Promise<OperationEffect> {
  const id = memoryId(context);
  const stored: OperationEffect = { text: `Stored as memory ${id}.`, memoryIds: [id] };
  // The id is derived from the call, so this call has run before (retry, resume).
  if (await kit.store.get(context.namespace, id)) return stored;
  const value: MemoryValue = {
    content: args.content,
    memory_type: args.memory_type ?? "fact",
    metadata: args.metadata ?? {},
    source: sourceOf(args.content, context),
  };
  checkSize(kit.limits, value);
  if (!args.force) await refuseDuplicate(kit, args.content, context, id);
  if (await isFull(kit, context)) throw namespaceFull(kit.limits);
  await write(kit, context, id, value);
  return stored;
}

/**
 * Replaces content and embedding; metadata is merged over the old. Refused for an unknown id (`AGEMEM_MEMORY_NOT_FOUND`)
 * and if somebody else changed the memory meanwhile (`AGEMEM_MEMORY_CHANGED`).
 */
export async function updateMemory(
  kit: MemoryToolkit,
  args: UpdateArguments,
  context: OperationContext,
): Promise<OperationEffect> {
  const revision = await revisionOfMemory(kit, args.memory_id, context);
  const item = await existing(kit, args.memory_id, context);
  refuseOvertaken(item, revision, context);
  const old = item.value as Partial<MemoryValue>;
  const value: MemoryValue = {
    content: args.content,
    memory_type: old.memory_type ?? "fact",
    metadata: { ...old.metadata, ...args.metadata },
    source: sourceOf(args.content, context, old),
  };
  checkSize(kit.limits, value);
  await orOvertaken(kit, item.key, context, () => write(kit, context, item.key, value, revision));
  return { text: `Updated memory ${item.key}.`, memoryIds: [item.key] };
}

/** The thread and call that stored it, and who said it. */
function sourceOf(
  content: string,
  { thread, toolCallId, messages }: OperationContext,
  before?: Partial<MemoryValue>,
): MemoryValue["source"] {
  const said = saidBy(content, messages, before);
  return { thread, tool_call: toolCallId, ...(said === undefined ? {} : { said_by: said }) };
}

function isFull(kit: MemoryToolkit, context: OperationContext): Promise<boolean> {
  return holdsAtLeast(kit.store, context.namespace, kit.limits.memories);
}

/**
 * Deletes a memory. Refused without confirmation (`AGEMEM_MEMORY_NOT_CONFIRMED`), for an unknown id
 * (`AGEMEM_MEMORY_NOT_FOUND`), and if somebody else changed the memory meanwhile (`AGEMEM_MEMORY_CHANGED`).
 */
export async function deleteMemory(
  kit: MemoryToolkit,
  args: DeleteArguments,
  context: OperationContext,
): Promise<OperationEffect> {
  const deleted: OperationEffect = { text: `Deleted memory ${args.memory_id}.`, memoryIds: [args.memory_id] };
  const revision = await revisionOfMemory(kit, args.memory_id, context);
  const stored = await kit.store.get(context.namespace, args.memory_id);
  if (!stored && (await deletedBefore(kit.store, args.memory_id, context))) return deleted;
  const item = stored ?? (await existing(kit, args.memory_id, context));
  if (!(args.confirmation ?? args.confirmed)) {
    throw new InputError("AGEMEM_MEMORY_NOT_CONFIRMED", `Memory ${item.key} was not deleted`, {
      remedy: "Call again with confirmation true if it should be deleted.",
    });
  }
  refuseOvertaken(item, revision, context);
  await orOvertaken(kit, item.key, context, () => deleteNoted(kit.store, item.key, context, revision));
  return deleted;
}

/** A call that runs again gets the same id, so that a retry cannot store a second copy. */
function memoryId(context: OperationContext): string {
  return `m${shortHash(context.key, 8)}`;
}

async function write(
  kit: MemoryToolkit,
  context: OperationContext,
  id: string,
  value: MemoryValue,
  ifRevision?: number,
): Promise<void> {
  if (isVersionedStore(kit.store)) {
    const options: PutOptions = {
      idempotencyKey: context.key,
      ...(ifRevision === undefined ? {} : { ifRevision }),
    };
    await kit.store.put(context.namespace, id, value, ["content"], options);
  } else {
    await kit.store.put(context.namespace, id, value, ["content"]);
  }
}

async function refuseDuplicate(
  kit: MemoryToolkit,
  content: string,
  context: OperationContext,
  id: string,
): Promise<void> {
  const { scored, ...options } = similaritySearch(kit.store);
  const near = await searchExact(kit.store, context.namespace, { query: content, limit: 5, ...options });
  const wanted = normalize(content);
  const twin = near.find(
    (item) =>
      item.key !== id &&
      (normalize(contentOf(item)) === wanted || (scored && (item.score ?? 0) >= kit.duplicateThreshold)),
  );
  if (!twin) return;
  throw new InputError(
    "AGEMEM_MEMORY_DUPLICATE",
    `Memory ${shownId(twin.key)} already says "${shownText(contentOf(twin))}"`,
    {
      remedy: `Update ${shownId(twin.key)} if it has changed, or repeat with force true to store both.`,
      details: { memoryId: twin.key },
    },
  );
}

/** The item, or a refusal that names the most similar ids. */
async function existing(kit: MemoryToolkit, id: string, context: OperationContext): Promise<Item> {
  const item = await kit.store.get(context.namespace, id);
  if (item) return item;
  const known = await searchExact(kit.store, context.namespace, { limit: 200 });
  const close = known
    .map((entry) => ({ key: entry.key, distance: editDistance(entry.key, id) }))
    .sort((a, b) => a.distance - b.distance || (a.key < b.key ? -1 : 1))
    .slice(0, 3)
    .map((entry) => entry.key);
  throw new InputError("AGEMEM_MEMORY_NOT_FOUND", `There is no memory "${shownId(id)}"`, {
    remedy: close.length
      ? `Similar ids: ${close.map(shownId).join(", ")}. Retrieve first to be sure which one you mean.`
      : "No memories are stored yet.",
    details: { id, close },
  });
}

/** Stored text inside an answer: on one line, and escaped so that it cannot pose as anyone's message. */
function shownText(text: string): string {
  return escapeXml(truncate(collapseSpace(text), 200));
}

/** Escaped too, because another program may have chosen the id. */
function shownId(id: string): string {
  return escapeXml(truncate(collapseSpace(id), 60));
}

function normalize(text: string): string {
  return stripEnd(collapseSpace(text.normalize("NFKC").toLowerCase()), /[\s.!]/);
}
