/** Reads the JSON in rows. Text that is not JSON means that the store is damaged. */
import { StoreError } from "../../errors.js";

/**
 * Parses a stored text.
 *
 * @param what names the row in the error message
 * @throws StoreError `AGEMEM_STORE_CORRUPT`
 */
export function storedJson<T>(text: string, what: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new StoreError("AGEMEM_STORE_CORRUPT", `${what} is damaged: its text is not JSON`, {
      cause,
      remedy:
        "Put or delete that item again, or restore a backup; `agemem memory verify` lists all such rows.",
    });
  }
}

/** Whether a stored text is valid JSON. */
export function isStoredJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
