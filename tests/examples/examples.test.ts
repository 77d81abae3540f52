/** Each example runs offline and says what it should. Imported, not spawned: seconds instead of half a minute. */
import { readdirSync } from "node:fs";
import { resolve } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";

const FOLDER = resolve(import.meta.dirname, "../../examples");

const EXPECTED: Record<string, string[]> = {
  "01-create-agent.ts": ["Noted.", "You live in Lisbon."],
  "02-own-graph.ts": ["Noted.", "It is due on 3 May."],
  "03-retrieval-and-memory.ts": [
    "You have 30 days; ask two weeks before August.",
    "In August.",
    "2 model calls, retrieved 1 time",
  ],
  "04-users-and-approval.ts": [
    'The agent wants to call Delete_memory with {"memory_id":"m1","confirmation":true}.',
    'Memory m1 says: "ada\'s cat is called Ines." (last changed NOW).',
    "It is forgotten.",
    "ada 0",
    "ben 1",
  ],
  "05-postgres.ts": ["Noted.", "You live in Lisbon."],
  "06-small-local-model.ts": ["Noted.", "responses out of format: 1", "Ada lives in Lisbon."],
  "07-redaction.ts": [
    "Noted.",
    "Ben Silva, Porto, [REDACTED_EMAIL]",
    "I'm Ada ([REDACTED_EMAIL]). Remember me, and my colleague Ben.",
  ],
  "08-auth.ts": [
    "ada: Noted.",
    "ben: I do not know you yet.",
    "ben on ada's thread: AGEMEM_THREAD_OWNER",
    "ben's own settings: AGEMEM_AUTH_FORBIDDEN",
    "ada 1",
    "ben 0",
  ],
};

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

describe("examples", () => {
  it("are all listed here", () => {
    const files = readdirSync(FOLDER).filter((name) => /^\d/.test(name));
    expect(files).toEqual(Object.keys(EXPECTED));
  });

  it.each(Object.entries(EXPECTED))("%s", async (file, lines) => {
    for (const name of ["OPENAI_API_KEY", "OPENAI_BASE_URL", "POSTGRES_URL"]) vi.stubEnv(name, "");
    const said = vi.spyOn(console, "log").mockImplementation(() => undefined);
    await import(resolve(FOLDER, file));
    expect(
      said.mock.calls
        .map((words) => words.join(" "))
        .join("\n")
        .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "NOW")
        .split("\n"),
    ).toEqual(lines);
  });
});
