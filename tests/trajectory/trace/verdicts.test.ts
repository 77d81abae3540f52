/** One story in which every fact meets another fate, recorded from the real agent in both protocols. */
import { beforeAll, describe, expect, it } from "vitest";
import { traceRecords } from "../../../src/trajectory/trace/trace.js";
import type { FactVerdict, Verdict } from "../../../src/trajectory/trace/verdict.js";
import { type Exchange, idOf, record } from "./story.js";

const add = (content: string): [string, Record<string, unknown>] => ["Add_memory", { content }];
const find = (query: string, top_k = 1): [string, Record<string, unknown>] => [
  "Retrieve_memory",
  { query, top_k },
];

const STORY: Exchange[] = [
  {
    thread: "past",
    user: "I live in Oslo, my bank is Nordea, my cat is called Miso. I have a car, a dentist, a passport, a gym.",
    acts: [
      [
        add("User lives in Oslo."),
        add("User's cat is called Miso."),
        add("User drives a red Volvo 240."),
        add("User's dentist is Doctor Hale."),
        add("User's passport number is X1234567."),
        add("User's gym is Fitline."),
      ],
      "Noted.",
    ],
  },
  { thread: "now", user: "My brother Ivar plays the cello.", acts: ["Nice."] },
  {
    thread: "now",
    user: "Forget my dentist. And I have moved to Bergen.",
    acts: [
      [find("dentist"), find("User lives in Oslo.")],
      [
        ["Delete_memory", (shown) => ({ memory_id: idOf("Hale")(shown), confirmation: true })],
        ["Update_memory", (shown) => ({ memory_id: idOf("Oslo")(shown), content: "User moved to Bergen." })],
      ],
      "Done.",
    ],
  },
  {
    thread: "now",
    user: "Which car was it?",
    acts: [
      [find("User drives a red Volvo 240.")],
      [["Filter_context", { criteria: "User drives a red Volvo 240." }]],
      "No idea.",
    ],
  },
  { thread: "now", user: "Please condense.", acts: [[["Summary_context", { span: "all" }]], "Done."] },
  {
    thread: "now",
    user: "What is my passport number, and what else do you know?",
    acts: [[find("passport number"), find("gym")], "Your passport number is X1234567."],
  },
];

const FATES: [fact: string, verdict: Verdict, reason: RegExp][] = [
  ["The passport number is X1234567", "answered", /answer says it/],
  ["User's gym is Fitline", "in_context", /context of the answer held it/],
  [
    "User drives a red Volvo 240",
    "filtered",
    /retrieved, and FILTER e\w{8} of step \d+ removed it.*Long-term memory still holds/,
  ],
  ["Ivar plays the cello", "summarized", /summary of SUMMARY e\w{8} at step \d+ left it out/],
  [
    "User's cat is called Miso",
    "not_retrieved",
    /Long-term memory holds it as m\w{8} since step 0 of past; RETRIEVE of step/,
  ],
  ["User's dentist is Doctor Hale", "deleted", /m\w{8} said it until DELETE at step 2\./],
  ["User lives in Oslo", "overwritten", /UPDATE at step 2 replaced it with "User moved to Bergen\."/],
  ["User's bank is Nordea", "never_stored", /Neither the context nor a memory/],
  ["yes", "unknown", /no words/],
];

describe.each(["native", "text"] as const)("verdicts on a recording, %s protocol", (protocol) => {
  let verdicts: Record<string, Record<string, FactVerdict>>;

  beforeAll(async () => {
    const records = await record(STORY, { protocol, summaries: ["They talked about small things."] });
    const traced = traceRecords(records, { facts: FATES.map(([fact]) => fact) });
    verdicts = Object.fromEntries(
      traced.map((each) => [each.rolloutId, Object.fromEntries(each.verdicts.map((v) => [v.fact, v]))]),
    );
  });

  it.each(FATES)("%s: %s", (fact, verdict, reason) => {
    expect(verdicts.now?.[fact]).toMatchObject({ verdict, source: "given", certain: true });
    expect(verdicts.now?.[fact]?.reason).toMatch(reason);
  });

  it("judges each conversation by its own last answer", () => {
    expect(verdicts.past?.["User's bank is Nordea"]?.verdict).toBe("in_context");
    expect(verdicts.past?.["Ivar plays the cello"]?.verdict).toBe("never_stored");
  });
});
