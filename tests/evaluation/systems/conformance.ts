/** What every memory that is compared must do, whatever it keeps. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { MemorySystem, ObservedMessage } from "../../../src/evaluation/systems/memory-system.js";

export const CONVERSATION: readonly ObservedMessage[] = [
  { id: "D1:1", role: "user", speaker: "Ada", time: "1 May", content: "My sister Runa plays the cello." },
  { id: "D1:2", role: "assistant", speaker: "Ben", time: "1 May", content: "Lovely! I collect stamps." },
  { id: "D1:3", role: "user", speaker: "Ada", time: "2 May", content: "We moved to Tartu last week." },
];

/** What a system is expected to hold of the conversation. */
export interface Expected {
  /** Recalls what the question is about; false for one that keeps nothing. */
  recalls: boolean;
  /** Brings at most `k`. */
  chooses: boolean;
  /** Calls a language model when it observes. */
  callsModel?: boolean;
}

export function memorySystemConformance(
  name: string,
  open: () => Promise<MemorySystem>,
  expected: Expected,
): void {
  describe(`memory system ${name}`, () => {
    let system: MemorySystem;
    beforeAll(async () => {
      system = await open();
    });
    afterAll(() => system.close());

    it("recalls what it was shown, and says what that cost", async () => {
      await system.reset({ user: "ada" });
      const observed = await system.observe(CONVERSATION);
      expect(observed.calls > 0).toBe(expected.callsModel ?? false);
      const { memories, usage } = await system.recall("Who plays the cello?", { k: 2 });
      for (const figure of Object.values({ ...observed, ...usage })) expect(figure).toBeGreaterThanOrEqual(0);
      if (expected.chooses) expect(memories.length).toBeLessThanOrEqual(2);
      expect(memories.some(({ text }) => text.includes("cello"))).toBe(expected.recalls);
      expect((await system.all()).length > 0).toBe(expected.recalls);
    });

    it("forgets with a reset, and keeps users apart", async () => {
      await system.reset({ user: "ada" });
      await system.observe(CONVERSATION);
      await system.reset({ user: "ben" });
      expect(await system.all()).toEqual([]);
      expect((await system.recall("cello", { k: 5 })).memories).toEqual([]);
    });

    it("takes nothing to remember, and closes twice", async () => {
      await system.reset({ user: "ada" });
      await system.observe([]);
      expect(await system.all()).toEqual([]);
      await system.close();
      await system.close();
    });
  });
}
