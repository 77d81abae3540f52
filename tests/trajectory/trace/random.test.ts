/** Random stories in which the fate of every fact is known beforehand; the seed is in the name of the test. */
import { describe, expect, it } from "vitest";
import { createRandom } from "../../../src/lib/random.js";
import { traceRecords } from "../../../src/trajectory/trace/trace.js";
import type { Verdict } from "../../../src/trajectory/trace/verdict.js";
import { type Act, type Exchange, idOf, record } from "./story.js";

const FACTS = [
  ["Volvo", "User drives a red Volvo 240."],
  ["Hale", "User's dentist is Doctor Hale."],
  ["Miso", "User's cat is called Miso."],
  ["Nordea", "User keeps savings at Nordea bank."],
  ["Fitline", "User trains at the Fitline gym."],
  ["Tromso", "User's sister studies law in Tromso."],
  ["Kyoto", "User spends every April in Kyoto."],
  ["cello", "User plays the cello on Sundays."],
] as const;

const FATES = [
  "never_stored",
  "not_retrieved",
  "deleted",
  "overwritten",
  "in_context",
  "summarized",
] as const;

/** What happens to one fact before the last question, in order; the stories of all facts are interleaved. */
function storyOf(word: string, fact: string, fate: (typeof FATES)[number]): Exchange[] {
  const tell = `Listen: ${fact}`;
  const find: Act = [["Retrieve_memory", { query: fact, top_k: 1 }]];
  const id = (shown: string) => ({ memory_id: idOf(word)(shown) });
  const past = (...acts: Act[]): Exchange => ({ thread: "past", user: tell, acts });
  if (fate === "never_stored") return [past("Nice.")];
  if (fate === "summarized") return [{ thread: "now", user: tell, acts: ["Nice."] }];
  const stored = past([["Add_memory", { content: fact }]], "Noted.");
  if (fate === "not_retrieved" || fate === "in_context") return [stored];
  const change: Act =
    fate === "deleted"
      ? [["Delete_memory", (shown) => ({ ...id(shown), confirmation: true })]]
      : [
          [
            "Update_memory",
            (shown) => ({ ...id(shown), content: `Nothing is left of topic ${word.length}.` }),
          ],
        ];
  return [stored, { thread: "between", user: "Correct that.", acts: [find, change, "Done."] }];
}

describe.each(["native", "text"] as const)("random stories, %s protocol", (protocol) => {
  it.each([1, 2, 3, 4, 5, 6])("seed %i", async (seed) => {
    const random = createRandom(`trace/${seed}`);
    const plots = FACTS.map(([word, fact]) => {
      const fate = FATES[random.integer(FATES.length)] ?? "never_stored";
      return { word, fact, fate, rest: storyOf(word, fact, fate) };
    });
    const story: Exchange[] = [];
    for (let open = [...plots]; open.length > 0; open = open.filter(({ rest }) => rest.length > 0)) {
      const next = open[random.integer(open.length)]?.rest.shift();
      if (next) story.push(next);
    }
    const shown = plots.filter(({ fate }) => fate === "in_context");
    const condense: Act[] = [[["Summary_context", { span: "all" }]], "Done."];
    const finds: Act[] = shown.map(({ fact }) => [["Retrieve_memory", { query: fact, top_k: 1 }]]);
    // Long enough for the summary to be shorter.
    const welcome = `Hello. ${"It is good to have you back, whatever you would like to do. ".repeat(6)}`;
    story.push({ thread: "now", user: "Hello.", acts: [welcome] });
    story.push({ thread: "now", user: "Condense, please.", acts: condense });
    story.push({ thread: "now", user: "What do you know?", acts: [...finds, "Not much."] });

    const records = await record(story, { protocol, summaries: ["They greeted each other."] });
    const traced = traceRecords(records, { facts: FACTS.map(([, fact]) => fact) });
    const verdicts = traced.find(({ rolloutId }) => rolloutId === "now")?.verdicts ?? [];
    const expected: Record<string, Verdict> = Object.fromEntries(plots.map(({ fact, fate }) => [fact, fate]));
    expect(Object.fromEntries(verdicts.map(({ fact, verdict }) => [fact, verdict]))).toEqual(expected);
  });
});
