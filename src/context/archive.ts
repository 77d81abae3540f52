/**
 * Where context edits are archived: any LangGraph store, one namespace per thread, never embedded.
 *
 * Pass the real store, not `config.store` of a node: LangGraph's wrapper drops `index: false` there.
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
  /** Where the edits are: `["agemem-archive", thread]`, the thread encoded as a label. */
  readonly namespace: readonly string[];

  /** @throws ConfigError `AGEMEM_NAMESPACE_VALUE_MISSING` for an empty thread id */
  constructor(store: BaseStore, thread: string) {
    this.#store = store;
    this.namespace = resolveNamespace([ARCHIVE_LABEL, "{thread_id}"], { thread_id: thread });
  }

  /** Stores an edit under its id. Saving the same edit again writes the same thing (retries). */
  async save(edit: ArchivedEdit): Promise<void> {
    const value = JSON.parse(JSON.stringify(edit)) as Record<string, unknown>;
    await this.#store.put([...this.namespace], edit.editId, value, false);
  }

  /**
   * @throws InputError `AGEMEM_EDIT_NOT_FOUND`; its `details.known` lists the newest ids of the thread
   * @throws StoreError `AGEMEM_STORE_FORMAT` when a newer version wrote it
   */
  async load(editId: string): Promise<ArchivedEdit> {
    const item = await this.#store.get([...this.namespace], editId);
    if (item) return checked(item.value, editId);
    const known = (await this.list()).map((edit) => edit.editId).slice(-20);
    throw new InputError("AGEMEM_EDIT_NOT_FOUND", `No context edit "${editId}" is archived for this thread`, {
      remedy:
        known.length > 0
          ? `Archived are: ${known.join(", ")}.`
          : "Nothing was summarized or filtered in it yet.",
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
      // Some stores answer a prefix search with other threads whose id begins alike, or the same page again.
      const own = items.filter((item) => sameLabels(item.namespace, this.namespace) && !seen.has(item.key));
      for (const item of own) {
        seen.add(item.key);
        found.push({ edit: checked(item.value, item.key), at: item.createdAt.getTime() });
      }
      // A page of other threads' only does not end the list; the page before again does.
      const first = JSON.stringify([items[0]?.namespace, items[0]?.key]);
      if (items.length < PAGE || first === before) break;
      before = first;
    }
    return found.sort((a, b) => a.at - b.at).map(({ edit }) => edit);
  }

  /** Removes an archived edit for good; its messages cannot be restored after that. */
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
