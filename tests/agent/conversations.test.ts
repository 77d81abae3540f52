/**
 * Random conversations: whatever model, tools, user and disk do, every request is one that OpenAI and Anthropic take.
 *
 * Some of them; `npm run test:conversations` plays 10,000 and prints what was checked.
 */
import { expect, it } from "vitest";
import { NO_REPORT, playConversation } from "../support/conversations.js";

const COUNT = 200;

it(`sends nothing that a provider refuses, in ${COUNT} random conversations`, {
  timeout: 600_000,
}, async () => {
  const report = NO_REPORT();
  for (let seed = 0; seed < COUNT; seed++) await playConversation(seed, report);
  expect(report.failures).toEqual([]);
  expect(report.violations).toEqual({ openai: [], anthropic: [] });
  // They are worth the name: several requests each, and edits in many.
  expect(report.calls.openai).toBeGreaterThan(3 * COUNT);
  expect(report.calls.anthropic).toBeGreaterThan(4 * COUNT);
  expect(report.edits).toBeGreaterThan(COUNT / 5);
});
