/** Named branches (forking, discarding, listing) and pinned versions. */
import { randomUUID } from "node:crypto";
import { InputError } from "../errors.js";
import type { StoreVersion } from "../types.js";
import type { Engine } from "./engine.js";
import { isWellFormed } from "./operations.js";
import { branchError } from "./rows/branches.js";
import type { Connection } from "./rows/database.js";
import { nextId } from "./rows/ids.js";
import type { Ledger } from "./rows/ledger.js";
import { MAIN } from "./rows/schema.js";

/** Creates a branch and returns its id. Writes one row, whatever the size of the store. */
export async function createFork(
  { db, ledger, transactions }: Engine,
  current: number,
  name?: string,
  from?: StoreVersion,
): Promise<number> {
  const { branches } = ledger;
  const wanted = name ?? `fork-${randomUUID().slice(0, 12)}`;
  if (wanted === "" || !isWellFormed(wanted) || wanted.length > 1024) {
    throw new InputError(
      "AGEMEM_INPUT_ARGUMENT",
      "A branch name must be 1 to 1,024 characters of well-formed text",
    );
  }
  const work = (): number => {
    const parent = from ? branches.resolve(from, ledger.newestRevision()) : branches.open(current);
    if (branches.byName(wanted))
      throw branchError(`The branch name "${wanted}" is taken`, "Choose another name.");
    const branch = nextId(db, "branches");
    db.run(
      "INSERT INTO branches (id, name, parent, fork_rev, created_at) VALUES (?, ?, ?, ?, ?)",
      branch,
      wanted,
      parent.id,
      from?.revision ?? ledger.writtenRevisionOf(parent.id),
      Date.now(),
    );
    branches.refresh(branch);
    return branch;
  };
  // A fork takes as long as the disk needs to write a page, so those of a group of rollouts share it.
  return transactions.writeTogether(work, async () => undefined);
}

/** Marks a branch as discarded; vacuum removes its rows. */
export async function discardBranch({ db, ledger, transactions }: Engine, id: number): Promise<void> {
  if (id === MAIN) throw branchError('The branch "main" cannot be discarded', "Discard forks only.");
  const work = (): void => {
    ledger.branches.open(id);
    db.run("UPDATE branches SET closed = 'discarded' WHERE id = ?", id);
    ledger.branches.refresh(id);
  };
  await transactions.writeTogether(work, async () => undefined);
}

/** An open branch. */
export interface BranchInfo {
  name: string;
  /** Name of the parent; null for the trunk. */
  parent: string | null;
  /** The parent's revision at the fork. */
  forkedAt: number;
  revision: number;
  createdAt: Date;
}

/** The open branches, the trunk first. */
export function listBranches(ledger: Ledger): BranchInfo[] {
  const { branches } = ledger;
  return branches.allOpen().map((row) => ({
    name: row.name,
    parent: row.parent === null ? null : (branches.get(row.parent)?.name ?? null),
    forkedAt: row.fork_rev,
    revision: ledger.revisionOf(row.id),
    createdAt: new Date(row.created_at),
  }));
}

/** Prefix of the store's own pins, which users may not use. */
const OWN = "agemem:";

/** Keeps a version readable under a name. Throws `AGEMEM_INPUT_ARGUMENT` for a name that is not allowed. */
export async function pinVersion(engine: Engine, name: string, version: StoreVersion): Promise<void> {
  if (typeof name !== "string" || name === "" || !isWellFormed(name) || name.startsWith(OWN)) {
    throw new InputError("AGEMEM_INPUT_ARGUMENT", `A version cannot be pinned as "${name}"`, {
      remedy: `Give a non-empty name of well-formed text that does not begin with "${OWN}".`,
    });
  }
  await writePin(engine, name, version);
}

/** Keeps a version readable for an export. Returns the pin's name, which holds the time at which it was made. */
export async function pinForExport(engine: Engine, version: StoreVersion): Promise<string> {
  const name = `${OWN}export-${Date.now()}-${randomUUID()}`;
  await writePin(engine, name, version);
  return name;
}

/** Removes pins of exports that began over a day ago and so were killed. Call inside a write transaction. */
export function dropLeftPins(db: Connection): void {
  const dayAgo = Date.now() - 86_400_000;
  for (const { name } of db.rows<{ name: string }>("SELECT name FROM pins")) {
    // Earlier releases wrote them without the prefix.
    const at = /^(?:agemem:)?export-(\d{13})-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.exec(name)?.[1];
    if (at !== undefined && Number(at) < dayAgo) db.run("DELETE FROM pins WHERE name = ?", name);
  }
}

async function writePin(
  { db, ledger, transactions }: Engine,
  name: string,
  version: StoreVersion,
): Promise<void> {
  await transactions.write(() => {
    const { id } = ledger.branches.resolve(version, ledger.newestRevision());
    db.run("INSERT OR REPLACE INTO pins (name, branch, rev) VALUES (?, ?, ?)", name, id, version.revision);
  });
}

/** Removes the pin with this name, if there is one. */
export async function unpinVersion({ db, transactions }: Engine, name: string): Promise<void> {
  await transactions.write(() => db.run("DELETE FROM pins WHERE name = ?", name));
}
