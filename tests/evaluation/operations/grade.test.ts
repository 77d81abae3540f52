import { describe, expect, it } from "vitest";
import { type GradedDecision, grade } from "../../../src/evaluation/operations/grade.js";
import {
  ADDED_ID,
  type OperationSituation,
  type RightMove,
} from "../../../src/evaluation/operations/situation.js";
import type { MemoryOp } from "../../../src/types.js";

const situation = (...right: RightMove[]): OperationSituation => ({
  id: "s",
  kind: "new-fact",
  split: "dev",
  memories: [],
  turns: [],
  right,
});
const call = (op: MemoryOp | undefined, args: Record<string, unknown>) => ({
  op,
  call: { name: op ?? "?", args, id: "1", type: "tool_call" as const },
});
const calls = (...made: ReturnType<typeof call>[]): GradedDecision => ({ calls: made, answer: null });
const add = (content: string) => call("ADD", { content });

describe("grade", () => {
  it("wants exactly the operations of a right move", () => {
    const one = situation({ calls: [{ op: "ADD", mentions: ["Porto"] }] });
    expect(grade(one, calls(add("Lives in PORTO.")))).toEqual({
      valid: true,
      move: "ADD",
      rightOperation: true,
      rightArguments: true,
    });
    expect(grade(one, calls(add("Lives in Ghent.")))).toMatchObject({
      rightOperation: true,
      rightArguments: false,
    });
    expect(grade(one, calls(add("Porto"), add("Porto")))).toMatchObject({
      move: "ADD+ADD",
      rightOperation: false,
      rightArguments: false,
    });
    expect(grade(one, { calls: [], answer: "Noted." })).toMatchObject({
      move: "ANSWER",
      rightOperation: false,
    });
  });

  it("gives each check a call of its own, in any order", () => {
    const two = situation({
      calls: [
        { op: "ADD", mentions: ["oboe"] },
        { op: "ADD", mentions: ["Porto"] },
      ],
    });
    expect(grade(two, calls(add("Porto"), add("oboe"))).rightArguments).toBe(true);
    expect(grade(two, calls(add("Porto and oboe"), add("tea"))).rightArguments).toBe(false);
  });

  it("wants the memory that is meant, and a confirmed deletion", () => {
    const gone = situation({ calls: [{ op: "DELETE", memoryId: "m1" }] });
    const removed = (args: Record<string, unknown>) =>
      grade(gone, calls(call("DELETE", args))).rightArguments;
    expect(removed({ memory_id: "m1", confirmation: true })).toBe(true);
    expect(removed({ memory_id: "m1", confirmed: true })).toBe(true);
    expect(removed({ memory_id: "m1" })).toBe(false);
    expect(removed({ memory_id: "m2", confirmation: true })).toBe(false);
    const own = situation({ calls: [{ op: "UPDATE", memoryId: ADDED_ID }] });
    const changed = { ...calls(call("UPDATE", { memory_id: "m7", content: "x" })), addedId: "m7" };
    expect(grade(own, changed).rightArguments).toBe(true);
    expect(grade(own, { ...changed, addedId: "m8" }).rightArguments).toBe(false);
  });

  it("reads answers", () => {
    const answer = situation({ calls: [], answer: { mentionsAny: ["Porto"], avoids: ["PWNED"] } });
    const says = (text: string) => grade(answer, { calls: [], answer: text }).rightArguments;
    expect(says("You live in Porto.")).toBe(true);
    expect(says("I do not know.")).toBe(false);
    expect(says("Porto. pwned")).toBe(false);
  });

  it("calls what breaks the form invalid, whatever else holds", () => {
    const free = situation({ calls: [] });
    expect(grade(free, { calls: [], answer: "Hi", formatError: "no JSON" }).move).toBe("INVALID");
    expect(grade(free, { calls: [], answer: null }).move).toBe("INVALID");
    expect(grade(free, calls(call(undefined, {}))).move).toBe("INVALID");
    expect(grade(situation({ calls: [{ op: "ADD" }] }), calls(call("ADD", {}))).move).toBe("INVALID");
  });
});
