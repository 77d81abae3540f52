/** Usage adds up, and a price is given only where every model has one. */
import { expect, it } from "vitest";
import { addUsage, chargeCall, chargeOperation, costOf, totalUsage } from "../../src/lib/usage.js";

const call = { model: "gpt", calls: 1, promptTokens: 900, completionTokens: 90, latencyMs: 30 };
const filter = { op: "FILTER" as const, ok: true, tokensBefore: 100, tokensAfter: 40, latencyMs: 5 };

it("shares a call among what its response asks for, and adds up", () => {
  const once = chargeCall({}, ["ADD", "ADD", "FILTER"], call);
  const usage = chargeOperation(once, filter);
  expect(usage.ADD).toMatchObject({ operations: 0, promptTokens: 600, completionTokens: 60, latencyMs: 20 });
  expect(usage.ADD?.calls).toBeCloseTo(2 / 3, 12);
  expect(usage.FILTER).toMatchObject({ operations: 1, tokensSaved: 60, latencyMs: 15, promptTokens: 300 });
  const total = totalUsage(addUsage(usage, usage));
  expect(total).toMatchObject({ promptTokens: 1800, completionTokens: 180, tokensSaved: 120, operations: 2 });
  expect(total.calls).toBeCloseTo(2, 12);
  expect(once.FILTER?.operations).toBe(0); // nothing was mutated
});

it("counts refusals and takes auxiliary time off", () => {
  const usage = chargeOperation(
    {},
    { ...filter, ok: false, latencyMs: 10 },
    { key: "GUARD", auxiliaryMs: 8 },
  );
  expect(usage).toEqual({ GUARD: expect.objectContaining({ refused: 1, tokensSaved: 0, latencyMs: 2 }) });
});

it("counts tokens as saved only where an edit took them out", () => {
  const usage = chargeOperation(chargeOperation({}, { ...filter, op: "ADD" }), { ...filter, op: "SUMMARY" });
  expect([usage.ADD?.tokensSaved, usage.SUMMARY?.tokensSaved]).toEqual([0, 60]);
});

it("prices per million tokens; unknown models have no price, not 0", () => {
  const usage = chargeCall(chargeCall({}, ["ADD"], call), ["SUMMARY"], { ...call, model: "mini" });
  const prices = { gpt: { input: 2, output: 10 }, mini: { input: 1, output: 1 } };
  expect(costOf(totalUsage(usage), prices)).toBeCloseTo((900 * 2 + 90 * 10 + 990) / 1e6, 12);
  expect(costOf(totalUsage(usage), { gpt: prices.gpt })).toBeNull();
  expect(costOf(usage.ADD ?? totalUsage({}), { gpt: prices.gpt })).toBeCloseTo(0.0027, 12);
  expect(costOf(totalUsage({}), {})).toBe(0);
});

it("prices tokens from the provider's cache at their own price", () => {
  const usage = chargeCall({}, ["ADD", "ANSWER"], { ...call, cachedTokens: 600 });
  expect(totalUsage(usage).models.gpt).toMatchObject({ promptTokens: 900, cachedTokens: 600 });
  const price = { input: 2, output: 10 };
  expect(costOf(totalUsage(usage), { gpt: { ...price, cachedInput: 0.5 } })).toBeCloseTo(
    (300 * 2 + 600 * 0.5 + 900) / 1e6,
    12,
  );
  expect(costOf(totalUsage(usage), { gpt: price })).toBeCloseTo((900 * 2 + 900) / 1e6, 12);
});

it("does not know the cost of calls whose tokens the server did not report", () => {
  const silent = { ...call, promptTokens: null, completionTokens: null, unreported: 1 };
  const usage = chargeCall(chargeCall({}, ["ADD"], call), ["ANSWER"], silent);
  const prices = { gpt: { input: 2, output: 10 } };
  expect(totalUsage(usage).models.gpt).toEqual({
    calls: 2,
    promptTokens: null,
    completionTokens: null,
    unreported: 1,
  });
  expect(totalUsage(usage)).toMatchObject({ calls: 2, promptTokens: null, completionTokens: null });
  expect(usage.ADD).toMatchObject({ promptTokens: 900, completionTokens: 90 });
  expect(costOf(totalUsage(usage), prices)).toBeNull();
  expect(costOf(usage.ADD ?? totalUsage({}), prices)).toBeCloseTo(0.0027, 12);
});
