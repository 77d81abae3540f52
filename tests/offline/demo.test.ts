/** The demo's two sessions, run by the offline policy against the stand-in world. */
import { beforeAll, describe, expect, it } from "vitest";
import { DEMO_SESSIONS } from "../../src/cli/demo/conversation.js";
import { PAPER_TOOL_NAMES } from "../../src/types.js";
import { OfflineWorld, type WorldCall } from "./world.js";

interface Turn {
  text: string;
  answer: string;
  calls: WorldCall[];
}

const sessions: Turn[][] = [];
const world = new OfflineWorld();

beforeAll(async () => {
  world.maxTokens = 2500;
  for (const { turns } of DEMO_SESSIONS) {
    world.messages = [];
    const done: Turn[] = [];
    for (const text of turns) done.push({ text, ...(await world.say(text)) });
    sessions.push(done);
  }
});

function turn(session: number, part: string): Turn {
  const found = sessions[session]?.find(({ text }) => text.includes(part));
  if (!found) throw new Error(`no turn with "${part}"`);
  return found;
}

const names = (found: Turn) => found.calls.map((call) => call.name);

describe("the demo conversation", () => {
  it("has a reason for each of the six operations, each succeeding in session 1", () => {
    const good = new Set(
      sessions[0]?.flatMap(({ calls }) =>
        calls.filter(({ result }) => !result.startsWith("Error")).map((c) => c.name),
      ),
    );
    expect([...good].sort()).toEqual(Object.values(PAPER_TOOL_NAMES).sort());
  });

  it("keeps the useful line of the pasted mail and filters the rest in the same response", () => {
    const paste = turn(0, "AIR ATLANTICO");
    expect(names(paste).slice(0, 2)).toEqual(["Add_memory", "Filter_context"]);
    expect(paste.calls[0]?.args.content).toBe(
      "User's flight AT 1873 from Porto to Lyon departs on 14 December at 07:25 from gate B12, booking reference QX7RTL.",
    );
    const criteria = String(paste.calls[1]?.args.criteria);
    expect(criteria).toContain("loyalty");
    expect(criteria).not.toContain("AT 1873");
  });

  it("updates what changed and deletes what was withdrawn", () => {
    expect(names(turn(0, "switched from coffee"))).toContain("Update_memory");
    expect(names(turn(0, "moved to Lisbon"))).toContain("Update_memory");
    expect(names(turn(0, "Please forget"))).toContain("Delete_memory");
    const stored = [...world.memories.values()].join("\n");
    expect(stored).not.toMatch(/Daniel|User lives in Porto|drinks coffee/);
    expect(stored).toMatch(/green tea/);
  });

  it("answers from memory alone in session 2", () => {
    expect(turn(1, "Where do I live").answer).toContain("Lisbon");
    expect(turn(1, "Where do I live").answer).not.toContain("Porto");
    expect(turn(1, "drink").answer).toContain("green tea");
    expect(turn(1, "spare key").answer).toContain("do not know");
    expect(turn(1, "deadline").answer).toMatch(/30 January.*peanuts/s);
    for (const { calls } of sessions[1] ?? [])
      expect(calls.map((call) => call.name)).toContain("Retrieve_memory");
  });

  it("is long enough to fill a budget of 2,500 tokens past 70%", () => {
    const length = DEMO_SESSIONS[0]?.turns.join("").length ?? 0;
    expect(length / 4).toBeGreaterThan(700);
    expect(sessions[0]?.some((found) => names(found).includes("Summary_context"))).toBe(true);
  });
});
