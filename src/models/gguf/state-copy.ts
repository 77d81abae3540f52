/**
 * Copies what one sequence has evaluated to another, so that a beginning that both prompts have is read once.
 *
 * Owns the way through a file, the only one the package offers; on a processor it takes about a hundredth of the time that
 * reading the tokens takes. The file holds what was said in the conversation: it is readable by its owner alone and removed at once.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LlamaSequence } from "./llama-api.js";

/**
 * Gives `to` all tokens that `from` holds, in place of its own. Works while `from` is generating: the copy is taken between two tokens.
 *
 * @returns false when there was nothing to copy or it failed (a full disk); `to` may then be empty
 */
export async function copyState(from: LlamaSequence, to: LlamaSequence): Promise<boolean> {
  // The state of recurrent models cannot be cut back to a shared beginning.
  if (from.needsCheckpoints) return false;
  const folder = await mkdtemp(join(tmpdir(), "agemem-state-")).catch(() => undefined);
  if (folder === undefined) return false;
  const file = join(folder, "sequence");
  try {
    await from.saveStateToFile(file);
    // A file that cannot be read must not leave the old tokens under a new name.
    await to.eraseContextTokenRanges([{ start: 0, end: to.nextTokenIndex }]);
    await to.loadStateFromFile(file, { acceptRisk: true });
    return true;
  } catch {
    // Reading the prompt is the same, only slower.
    return false;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
