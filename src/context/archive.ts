/**
 * Archives context edits in any LangGraph store: one namespace per thread, never embedded.
 *
 * Owns how archived edits are stored and listed. Leaves out restoring them (`edits/restore.ts`). Pass the store itself,
 * not a node's `config.store`: LangGraph's wrapper drops `index: false`, so that edits would be embedded.
 */
import type { BaseStore } from "@langchain/langgraph";
import { InputError, StoreError } from "../errors.js";
import { resolveNamespace } from "../lib/namespace.js";
import type { ArchivedEdit } from "./edit.js";

export { restoreEdit } from "./edits/restore.js";

/** First label of the namespaces that hold archived edits. */
export const ARCHIVE_LABEL = "agemem-archive";
const PAGE = 1000;

/** The archived edits of one thread. */
export class ContextArchive {
  readonly #store: BaseStore;
  /** The namespace of the edits: `["agemem-archive", thread]`, with the thread id encoded as a label. */
  readonly namespace: readonly string[];

  /** @throws ConfigError `AGEMEM_NAMESPACE_VALUE_MISSING` for an empty thread id */
  constructor(store: BaseStore, thread: string) {
    this.#store = store;
    this.namespace = resolveNamespace([ARCHIVE_LABEL, "{thread_id}"], { thread_id: thread });
  }

  /** Stores an edit under its id. Saving it again, as on a retry, writes the same value. */
  async save(edit: ArchivedEdit): Promise<void> {
    const value = JSON.parse(JSON.stringify(edit)) as Record<string, unknown>;
    await this.#store.put([...this.namespace], edit.editId, value, false);
  }

  /**
   * Reads an edit.
   *
   * @throws InputError `AGEMEM_EDIT_NOT_FOUND`; its `details.known` lists the newest ids of the thread
   * @throws StoreError `AGEMEM_STORE_FORMAT` if a newer version wrote it
   */
  async load(editId: string): Promise<ArchivedEdit> {
    const item = await this.#store.get([...this.namespace], editId);
    if (item) return checked(item.value, editId);
    const known = (await this.list()).map((edit) => edit.editId).slice(-20);
    throw new InputError("AGEMEM_EDIT_NOT_FOUND", `No context edit "${editId}" is archived for this thread`, {
      remedy:
        known.length > 0
          ? `Use one of the archived ids: ${known.join(", ")}.`
          : "Nothing has been summarized or filtered in this thread yet.",
      details: { editId, known },
    });
  }

  /** Every edit of the thread, oldest first. */
  async list(): Promise<ArchivedEdit[]> {
    const found: { edit: ArchivedEdit; at: number }[] = [];
    const seen = new Set<string>();
    let before = "";
    for (let offset = 0; ; offset += PAGE) {
      const items = await this.#store.search([...this.namespace], { limit: PAGE, offset });
      // Some stores also return threads whose id has this one as a prefix, or ignore the offset.
      const own = items.filter((item) => sameLabels(item.namespace, this.namespace) && !seen.has(item.key));
      for (const item of own) {
        seen.add(item.key);
        found.push({ edit: checked(item.value, item.key), at: item.createdAt.getTime() });
      }
      // A page without own edits does not end the list, but a repeated page does.
      const first = JSON.stringify([items[0]?.namespace, items[0]?.key]);
      if (items.length < PAGE || first === before) break;
      before = first;
    }
    return found.sort((a, b) => a.at - b.at).map(({ edit }) => edit);
  }

  /** Deletes an archived edit; its messages can no longer be restored. */
  async forget(editId: string): Promise<void> {
    await this.#store.delete([...this.namespace], editId);
  }
}

function sameLabels(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((label, i) => label === b[i]);
}

function checked(value: Record<string, unknown>, editId: string): ArchivedEdit {
  if (value.schema === "agemem.edit/1") return structuredClone(value) as unknown as ArchivedEdit;
  throw new StoreError(
    "AGEMEM_STORE_FORMAT",
    `The archived edit "${editId}" has format ${String(value.schema)}`,
    {
      remedy: "Upgrade agemem to the version that wrote it.",
      details: { editId, schema: value.schema },
    },
  );
}
