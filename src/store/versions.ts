/** Branches by name: forking, discarding, listing; and pinned versions. */
import { randomUUID } from "node:crypto";
import { InputError } from "../errors.js";
import type { StoreVersion } from "../types.js";
import type { Engine } from "./engine.js";
import { isWellFormed } from "./operations.js";
import { branchError } from "./rows/branches.js";
import { nextId } from "./rows/ids.js";
import { MAIN } from "./rows/schema.js";

/** Inserts a branch and returns its id. One row is written, whatever the size of the store. */
export async function createFork(
  engine: Engine,
  current: number,
  name?: string,
  from?: StoreVersion,
): Promise<number> {
  const wanted = name ?? `fork-${randomUUID().slice(0, 12)}`;
  if (wanted === "" || !isWellFormed(wanted) || wanted.length > 1024) {
    throw new InputError(
      "AGEMEM_INPUT_ARGUMENT",
      "A branch name must be 1 to 1,024 characters of well-formed text",
    );
  }
  const id = await engine.write(
    async () => null,
    () => {
      const parent = from
        ? engine.branches.resolve(from, engine.newestRevision())
        : engine.branches.open(current);
      if (engine.branches.byName(wanted))
        throw branchError(`The branch name "${wanted}" is taken`, "Choose another name.");
      const revision = from?.revision ?? engine.revisionOf(parent.id);
      const branch = nextId(engine.db, "branches");
      engine.db.run(
        "INSERT INTO branches (id, name, parent, fork_rev, created_at) VALUES (?, ?, ?, ?, ?)",
        branch,
        wanted,
        parent.id,
        revision,
        engine.now(),
      );
      return { result: branch, rows: [] };
    },
  );
  engine.branches.refresh(id);
  return id;
}

/** Marks a branch as discarded; vacuum removes its rows. */
export async function discardBranch(engine: Engine, id: number): Promise<void> {
  if (id === MAIN) throw branchError('The branch "main" cannot be discarded', "Discard forks only.");
  await engine.write(
    async () => null,
    () => {
      engine.branches.open(id);
      engine.db.run("UPDATE branches SET closed = 'discarded' WHERE id = ?", id);
      return { result: undefined, rows: [] };
    },
  );
  engine.branches.refresh(id);
}

/** An open branch. */
export interface BranchInfo {
  name: string;
  /** Name of the parent; null for the trunk. */
  parent: string | null;
  /** The parent's revision at which it began. */
  forkedAt: number;
  revision: number;
  createdAt: Date;
}

export function listBranches(engine: Engine): BranchInfo[] {
  return engine.branches
    .all()
    .filter(({ closed }) => closed === null)
    .map((row) => ({
      name: row.name,
      parent: row.parent === null ? null : (engine.branches.get(row.parent)?.name ?? null),
      forkedAt: row.fork_rev,
      revision: engine.revisionOf(row.id),
      createdAt: new Date(row.created_at),
    }));
}

/** Begins the names of the store's own pins, which a user cannot give. */
const OWN = "agemem:";

/** Keeps a version readable under a name. Throws `AGEMEM_INPUT_ARGUMENT` for a name that cannot be given. */
export async function pinVersion(engine: Engine, name: string, version: StoreVersion): Promise<void> {
  if (typeof name !== "string" || name === "" || !isWellFormed(name) || name.startsWith(OWN)) {
    throw new InputError("AGEMEM_INPUT_ARGUMENT", `A version cannot be pinned as "${name}"`, {
      remedy: `Give a non-empty name of well-formed text that does not begin with "${OWN}".`,
    });
  }
  await writePin(engine, name, version);
}

/** Keeps a version readable for an export. Returns the pin's name, whose time tells when it was left behind. */
export async function pinForExport(engine: Engine, version: StoreVersion): Promise<string> {
  const name = `${OWN}export-${Date.now()}-${randomUUID()}`;
  await writePin(engine, name, version);
  return name;
}

/** Removes pins of exports that were killed a day ago or earlier, inside a write transaction. */
export function dropLeftPins({ db }: Engine): void {
  const dayAgo = Date.now() - 86_400_000;
  for (const { name } of db.rows<{ name: string }>("SELECT name FROM pins")) {
    // Earlier releases wrote them without the beginning.
    const at = /^(?:agemem:)?export-(\d{13})-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.exec(name)?.[1];
    if (at !== undefined && Number(at) < dayAgo) db.run("DELETE FROM pins WHERE name = ?", name);
  }
}

async function writePin(engine: Engine, name: string, version: StoreVersion): Promise<void> {
  await engine.write(
    async () => null,
    () => {
      const { id } = engine.branches.resolve(version, engine.newestRevision());
      engine.db.run(
        "INSERT OR REPLACE INTO pins (name, branch, rev) VALUES (?, ?, ?)",
        name,
        id,
        version.revision,
      );
      return { result: undefined, rows: [] };
    },
  );
}

export async function unpinVersion(engine: Engine, name: string): Promise<void> {
  await engine.write(
    async () => null,
    () => {
      engine.db.run("DELETE FROM pins WHERE name = ?", name);
      return { result: undefined, rows: [] };
    },
  );
}
