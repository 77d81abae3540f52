/** Reading the JSON in rows: text that is not JSON is damage, and the error says so. */
import { StoreError } from "../../errors.js";

/**
 * Parses a stored text.
 *
 * @param what what the row is, for the message
 * @throws StoreError `AGEMEM_STORE_CORRUPT`
 */
export function storedJson<T>(text: string, what: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new StoreError("AGEMEM_STORE_CORRUPT", `${what} is damaged: its text is not JSON`, {
      cause,
      remedy:
        "Put or delete that item anew, or restore a backup; `agemem memory verify` names all such rows.",
    });
  }
}

/** Whether a stored text is still JSON. */
export function isStoredJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
