/** Brings the keyword index up to date before a search that reads it. */
import type { Engine } from "../engine.js";
import { indexedUpTo, indexPending } from "../search/keyword-index.js";

/** Up to so many rows may be missing from the index, because a search analyzes them itself. */
const MAX_WAITING = 256;
/** Rows indexed per transaction. */
const PIECE = 2000;

/** Indexes the rows that the index lacks, if they are many. */
export async function indexWaiting({ ledger, transactions }: Engine): Promise<void> {
  const waiting = () => transactions.patientRead(() => ledger.lastVersion - indexedUpTo(ledger.db));
  while ((await waiting()) > MAX_WAITING) {
    if ((await transactions.write(() => indexPending(ledger.db, PIECE))) === 0) return;
  }
}
