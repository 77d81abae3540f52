/** Recalled memories as a model is shown them: escaped, in one block. */
import { escapeXml } from "../../text/escaping.js";
import type { RecalledMemory } from "./memory-system.js";

/** @param memories best first */
export function recalledBlock(memories: readonly RecalledMemory[]): string {
  const lines = memories.map(({ text }, i) => `<memory id="m${i + 1}">${escapeXml(text)}</memory>`);
  return [`<retrieved_memories count="${memories.length}">`, ...lines, "</retrieved_memories>"].join("\n");
}
