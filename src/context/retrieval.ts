/**
 * RETRIEVE (AgeMem, eq. 8-9): renders retrieved memories for the context, and reads them back.
 *
 * Owns this format. Stored text is data, so it is escaped and can neither close its tag nor pose as anyone's message.
 * Pure.
 */
import { escapeXml, unescapeXml } from "../text/escaping.js";
import { collapseSpace } from "../text/text.js";
import type { MemoryValue, MessageFacts } from "../types.js";

/** A memory to be shown. */
export interface RetrievedMemory {
  id: string;
  value: MemoryValue;
  /** Similarity; shown with two decimals. */
  score?: number;
  createdAt: Date;
  updatedAt: Date;
  /** The item's revision; default its last update in epoch milliseconds. */
  revision?: number | null;
}

/** One memory read back from the context. */
export interface ParsedMemory {
  id: string;
  type: string;
  content: string;
  score: number | undefined;
  /** True for a memory that is only named, because the context shows it elsewhere; its type and content are "". */
  alreadyInContext: boolean;
}

export interface RenderOptions {
  query: string;
  /** Memories the context already shows; see {@link memoriesInContext}. */
  alreadyShown?: ReadonlyMap<string, number | null>;
}

/**
 * The block that a retrieval adds to the context. Memories already shown in the same revision are named, not repeated.
 *
 * @example
 * renderMemories([item], { query: "food", alreadyShown: new Map() });
 * // <retrieved_memories query="food" count="1">
 * // <memory id="mabc123" type="preference" updated="2026-11-20" score="0.82">User is vegetarian.</memory>
 * // </retrieved_memories>
 */
export function renderMemories(items: readonly RetrievedMemory[], options: RenderOptions): string {
  const query = escapeXml(collapseSpace(options.query));
  const lines = items.map((item) => renderOne(item, options.alreadyShown));
  return [
    `<retrieved_memories query="${query}" count="${items.length}">`,
    ...lines,
    "</retrieved_memories>",
  ].join("\n");
}

function renderOne(item: RetrievedMemory, shown: RenderOptions["alreadyShown"]): string {
  const id = escapeXml(item.id);
  if (shown?.has(item.id) && shown.get(item.id) === revisionOf(item)) {
    return `<memory id="${id}" already_in_context="true"/>`;
  }
  const type = escapeXml(collapseSpace(item.value.memory_type));
  const updated = item.updatedAt.toISOString().slice(0, 10);
  const score = item.score === undefined ? "" : ` score="${item.score.toFixed(2)}"`;
  return `<memory id="${id}" type="${type}" updated="${updated}"${score}>${escapeXml(item.value.content)}</memory>`;
}

/** The revision that distinguishes states of an item. */
function revisionOf(item: Pick<RetrievedMemory, "revision" | "updatedAt">): number | null {
  return item.revision === undefined ? item.updatedAt.getTime() : item.revision;
}

const MEMORY = /<memory ((?:[\w-]+="[^"<>]*"\s*)*)(?:\/>|>([^<]*)<\/memory>)/g;

/** The memories in a text, in order; the inverse of {@link renderMemories}. Other text is ignored. */
export function parseMemories(text: string): ParsedMemory[] {
  return [...text.matchAll(MEMORY)].map((match) => {
    const attributes = new Map(
      [...(match[1] ?? "").matchAll(/(?<![\w-])([\w-]+)="([^"]*)"/g)].map((m) => [
        m[1],
        unescapeXml(m[2] ?? ""),
      ]),
    );
    const score = attributes.get("score");
    return {
      id: attributes.get("id") ?? "",
      type: attributes.get("type") ?? "",
      content: unescapeXml(match[2] ?? ""),
      score: score === undefined ? undefined : Number(score),
      alreadyInContext: attributes.get("already_in_context") === "true",
    };
  });
}

/** The memories that the context shows, with the newest revision shown. Pass the facts of the messages present. */
export function memoriesInContext(facts: Readonly<MessageFacts>): Map<string, number | null> {
  const shown = new Map<string, number | null>();
  for (const fact of Object.values(facts)) {
    for (const [id, revision] of Object.entries(fact.memories ?? {})) {
      const known = shown.get(id);
      if (known === undefined || known === null || (revision !== null && revision > known))
        shown.set(id, revision);
    }
  }
  return shown;
}

/** Of the memories a message showed, those that its text still has in full. */
export function memoriesLeft(
  memories: Record<string, number | null> | undefined,
  text: string,
): Record<string, number | null> | undefined {
  if (!memories) return undefined;
  const left = new Set(parseMemories(text).map((memory) => memory.id));
  return Object.fromEntries(Object.entries(memories).filter(([id]) => left.has(id)));
}
