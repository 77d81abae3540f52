/**
 * What holds for any history and any sequence of edits. A failure prints fast-check's seed; set AGEMEM_TEST_SEED to
 * run it again and AGEMEM_TEST_RUNS for more histories.
 */
import type { BaseMessage } from "@langchain/core/messages";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countMessages, reduceFacts } from "../../src/context/budget.js";
import type { AppliedEdit } from "../../src/context/edit.js";
import { restoreEdit } from "../../src/context/edits/restore.js";
import { idOf, newestUserMessage } from "../../src/context/messages.js";
import { findChatHistoryProblems, repairChatHistory } from "../../src/context/validity.js";
import { createRandom } from "../../src/lib/random.js";
import type { MessageFacts } from "../../src/types.js";
import { ids, plain } from "./helpers.js";
import { brokenThread, counter, Thread, validThread } from "./histories.js";

const seed = Number(process.env.AGEMEM_TEST_SEED ?? 20261121);
const runs = Number(process.env.AGEMEM_TEST_RUNS ?? 3500);
const settings = { seed, numRuns: runs };
const LIMIT = 300_000;

/** fast-check's assert for properties without promises. */
function check<T extends [unknown, ...unknown[]]>(property: fc.IProperty<T>): void {
  void fc.assert(property, settings);
}

function checkEdit(thread: Thread, before: BaseMessage[], facts: MessageFacts, edit: AppliedEdit): void {
  const { messages, report } = edit;
  expect(new Set(ids(messages)).size).toBe(messages.length);
  for (const message of before.filter((m) => m.type === "system")) expect(messages).toContain(message);
  const newest = newestUserMessage(before);
  if (newest) expect(ids(messages)).toContain(newest.id);
  const kept = new Set(ids(messages));
  expect(ids(before).filter((id) => kept.has(id))).toEqual(
    ids(messages).filter((id) => ids(before).includes(id)),
  );
  expect(report.tokensAfter).toBe(countMessages(messages, {}, counter).total);
  expect(report.tokensBefore).toBe(countMessages(before, {}, counter).total);

  // What was taken out comes back exactly: messages and facts, through JSON.
  const archived = JSON.parse(JSON.stringify(report.archive));
  const now = JSON.parse(JSON.stringify(reduceFacts(facts, edit.facts)));
  if (report.kind !== "restore") {
    const back = restoreEdit(messages, archived, now, counter);
    expect(plain(back.messages)).toEqual(plain(before));
    expect(withoutPlaces(reduceFacts(now, back.facts))).toEqual(withoutPlaces(facts));
    const again = restoreEdit(back.messages, archived, reduceFacts(now, back.facts), counter);
    expect(again.messages).toEqual(back.messages);
  }
  // Order of the thread is kept over all edits.
  const place = new Map(ids(thread.said).map((id, i) => [id, i]));
  const places = messages.map((m) => place.get(idOf(m))).filter((i) => i !== undefined);
  expect(places).toEqual([...places].sort((a, b) => a - b));
}

/** Facts without the note how far the thread had got, which may stay behind. */
function withoutPlaces(facts: MessageFacts): unknown {
  const entries = Object.entries(facts).map(([id, { positionEnd: _, ...fact }]) => [id, fact]);
  return JSON.parse(JSON.stringify(Object.fromEntries(entries)));
}

function restoreAll(thread: Thread, order: (n: number) => number[]): void {
  // An edit hidden behind a later one needs another pass; more passes than edits would be going in circles.
  for (let pass = 0; pass <= thread.archives.length; pass++) {
    let changed = false;
    for (const i of order(thread.archives.length)) {
      const archived = thread.archives[i];
      if (!archived) continue;
      const edit = restoreEdit(thread.messages, archived, thread.facts, counter);
      const { removedIds, changedIds, addedIds } = edit.report;
      if (removedIds.length + changedIds.length + addedIds.length === 0) continue;
      changed = true;
      thread.take(edit, false);
    }
    if (!changed) return;
  }
  throw new Error("Restoring every edit again and again never comes to rest");
}

describe(`random histories (seed ${seed}, ${runs} each)`, () => {
  it(
    "edits keep a valid history valid, and restoring them newest first gives the original",
    () => {
      let edits = 0;
      check(
        fc.property(validThread, (steps) => {
          const thread = new Thread();
          for (const step of steps) {
            thread.play(step, (before, facts, edit) => {
              edits++;
              checkEdit(thread, before, facts, edit);
              expect(findChatHistoryProblems(edit.messages, { allowPending: true })).toEqual([]);
              if (edit.report.kind === "restore") return;
              const withoutFacts = restoreEdit(edit.messages, edit.report.archive, {}, counter);
              expect(ids(withoutFacts.messages)).toEqual(ids(before));
            });
            expect(findChatHistoryProblems(thread.messages)).toEqual([]);
          }
          restoreAll(thread, (n) => Array.from({ length: n }, (_, i) => n - 1 - i));
          expect(plain(thread.messages)).toEqual(plain(thread.said));
        }),
      );
      expect(edits).toBeGreaterThan(runs);
    },
    LIMIT,
  );

  it(
    "restoring in any order gives the original",
    () => {
      check(
        fc.property(validThread, fc.nat(), (steps, shuffled) => {
          const thread = new Thread();
          for (const step of steps) thread.play(step, () => undefined);
          const random = createRandom(shuffled);
          restoreAll(thread, (n) => random.shuffle(Array.from({ length: n }, (_, i) => i)));
          expect(findChatHistoryProblems(thread.messages)).toEqual([]);
          expect(plain(thread.messages)).toEqual(plain(thread.said));
        }),
      );
    },
    LIMIT,
  );

  it(
    "damaged histories are edited and restored as they are, and their view for the provider is valid",
    () => {
      check(
        fc.property(brokenThread, (steps) => {
          const thread = new Thread();
          for (const step of steps) {
            thread.play(step, (before, facts, edit) => checkEdit(thread, before, facts, edit));
            const { messages, repairs } = repairChatHistory(thread.messages);
            expect(findChatHistoryProblems(messages)).toEqual([]);
            expect(repairs.length > 0).toBe(findChatHistoryProblems(thread.messages).length > 0);
          }
          restoreAll(thread, (n) => Array.from({ length: n }, (_, i) => n - 1 - i));
          expect(plain(thread.messages)).toEqual(plain(thread.said));
        }),
      );
    },
    LIMIT,
  );
});
